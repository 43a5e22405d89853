// SPDX-License-Identifier: MIT OR Apache-2.0

//! One pass over the pipeline: it builds what is stale, or only says what is.

use anyhow::{bail, Context as _, Result};

use super::job::{Job, StepFailed};
use super::progress::Task;
use super::store::{Output, Store};
use super::Step;
use crate::context::Context;
use crate::fs;

/// Reasons that are told before "and N more".
const REASONS: usize = 3;

/// What a pass found about a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The finished output was there.
    Fresh,
    /// It was made in this pass, or would be; why.
    Stale(String),
    /// It cannot be told: a step before it is stale.
    Waits,
}

/// A pass over the pipeline.
#[derive(Debug)]
pub struct Run<'a> {
    /// The surroundings.
    pub ctx: &'a Context,
    /// The store that the pass works on.
    pub store: Store,
    variant: String,
    build: bool,
    refresh: bool,
    states: Vec<(&'static str, State)>,
}

impl<'a> Run<'a> {
    /// A pass that builds what is stale. `variant` (the profile) separates the histories that
    /// changes are told against.
    pub fn build(ctx: &'a Context, variant: &str) -> Self {
        Run::new(ctx, variant, true)
    }

    /// A pass that only looks.
    pub fn inspect(ctx: &'a Context, variant: &str) -> Self {
        Run::new(ctx, variant, false)
    }

    /// Makes this pass build everything from the network anew, whatever is cached.
    pub fn refreshing(mut self) -> Self {
        self.refresh = true;
        self
    }

    fn new(ctx: &'a Context, variant: &str, build: bool) -> Self {
        let store = Store::new(ctx.cache(), &ctx.path("target/xtask"));
        Run {
            ctx,
            store,
            variant: variant.to_owned(),
            build,
            refresh: false,
            states: Vec::new(),
        }
    }

    /// The steps so far, in order, with what was found.
    pub fn states(&self) -> &[(&'static str, State)] {
        &self.states
    }

    /// Whether every step so far was fresh.
    pub fn all_fresh(&self) -> bool {
        self.states.iter().all(|(_, state)| *state == State::Fresh)
    }

    /// Takes the next step. `None` stands for a step that cannot be named yet because one before
    /// it is stale, which only happens in a pass that looks.
    pub fn step<S: Step>(&mut self, step: Option<S>) -> Result<Option<Output>> {
        let Some(step) = step else {
            self.states.push((S::NAME, State::Waits));
            return Ok(None);
        };
        let inputs = step.inputs()?;
        let key = inputs.key();
        let mut why = None;
        if let Some(out) = self.store.find(S::NAME, &key)? {
            why = match self.refresh && S::NETWORK {
                true => Some("a fresh one was asked for".to_owned()),
                false => step.outdated(&out)?,
            };
            if why.is_none() {
                if self.build {
                    self.store.used(S::NAME, &self.variant, &inputs, &out);
                }
                self.states.push((S::NAME, State::Fresh));
                return Ok(Some(out));
            }
        }
        let why = why.unwrap_or_else(|| match self.store.last_inputs(S::NAME, &self.variant) {
            Some(last) => reasons(&inputs.changes_since(&last)),
            None => "nothing is cached yet".to_owned(),
        });
        self.states.push((S::NAME, State::Stale(why.clone())));
        if !self.build {
            return Ok(None);
        }

        let lock = self.store.lock(S::NAME, || {
            eprintln!("{}: waiting for another run that is building it", S::NAME);
        })?;
        if let Some(out) = self.store.find(S::NAME, &key)?.filter(|_| !self.refresh) {
            if step.outdated(&out)?.is_none() {
                return Ok(Some(out));
            }
        }
        if S::NETWORK && self.ctx.flags.offline {
            bail!(
                "step {} must be built ({why}) and needs the network, which --offline forbids; run once without --offline",
                S::NAME
            );
        }
        let made = self.store.scratch(S::NAME, &lock)?;
        let parent = made.path().parent();
        let parent = parent.context("the step's folder has no parent")?;
        let scratch = fs::tempdir_in(parent)?;
        let (log_path, log) = self.store.new_log(S::NAME)?;
        let mut task = Task::start(S::NAME, &why);
        let mut job = Job::new(
            made.path(),
            scratch,
            log,
            &mut task,
            &self.store,
            self.ctx.flags.offline,
        );
        let result = step
            .build(&mut job)
            .and_then(|()| step.identity(&key, made.path()));
        let tail = job.into_tail();
        let published =
            result.and_then(|identity| self.store.publish(S::NAME, &inputs, identity, made, &lock));
        let out = match published {
            Ok(out) => out,
            Err(error) => {
                task.failed();
                return Err(error.context(StepFailed::new(S::NAME, log_path, tail, step.advice())));
            }
        };
        task.done();
        self.store.used(S::NAME, &self.variant, &inputs, &out);
        self.store.prune(S::NAME, S::KEEP, &lock)?;
        if let Some(why) = step.outdated(&out)? {
            bail!("step {} was just built and is outdated all the same: {why}; `cargo xtask lock` accepts what there is", S::NAME);
        }
        Ok(Some(out))
    }
}

fn reasons(changes: &[String]) -> String {
    if changes.is_empty() {
        return "its cached output is gone".to_owned();
    }
    let mut text = changes
        .iter()
        .take(REASONS)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if changes.len() > REASONS {
        text.push_str(&format!(" and {} more", changes.len() - REASONS));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::engine::{Inputs, Key};

    struct Copy<'a> {
        text: &'a str,
        runs: &'a Cell<u32>,
        fails: bool,
        outdated: Option<&'a str>,
    }

    impl Step for Copy<'_> {
        const NAME: &'static str = "copy";

        fn inputs(&self) -> Result<Inputs> {
            let mut inputs = Inputs::default();
            inputs.value("text", self.text);
            Ok(inputs)
        }

        fn build(&self, job: &mut Job<'_>) -> Result<()> {
            self.runs.set(self.runs.get() + 1);
            job.run("echo", &duct::cmd!("echo", "from the command"))?;
            fs::write(job.out().join("text"), self.text)?;
            if self.fails {
                job.run("false", &duct::cmd!("false"))?;
            }
            Ok(())
        }

        fn identity(&self, _key: &Key, out: &Path) -> Result<String> {
            Ok(fs::read_to_string(out.join("text"))?.to_lowercase())
        }

        fn outdated(&self, _out: &Output) -> Result<Option<String>> {
            Ok(self.outdated.map(str::to_owned))
        }

        fn advice(&self) -> String {
            "try again".into()
        }
    }

    fn trial<'a>(text: &'a str, runs: &'a Cell<u32>) -> Copy<'a> {
        Copy {
            text,
            runs,
            fails: false,
            outdated: None,
        }
    }

    #[test]
    fn a_step_is_built_once_and_says_what_changed() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let ctx = Context::for_test(dir.path());
        let runs = Cell::new(0);
        let pass = |text, build| {
            let mut run = if build {
                Run::build(&ctx, "test")
            } else {
                Run::inspect(&ctx, "test")
            };
            let out = run.step(Some(trial(text, &runs)))?;
            let state = run.states()[0].1.clone();
            Ok::<_, anyhow::Error>((out.map(|out| out.identity), state))
        };
        assert_eq!(
            pass("A", false)?,
            (None, State::Stale("nothing is cached yet".into()))
        );
        assert_eq!(runs.get(), 0);
        assert_eq!(
            pass("A", true)?,
            (
                Some("a".into()),
                State::Stale("nothing is cached yet".into())
            )
        );
        assert_eq!(pass("A", true)?, (Some("a".into()), State::Fresh));
        assert_eq!(runs.get(), 1);
        let changed = State::Stale("text changed from A to B".into());
        assert_eq!(pass("B", false)?, (None, changed.clone()));
        assert_eq!(pass("B", true)?, (Some("b".into()), changed));
        // Back to the first: its output is still there.
        assert_eq!(pass("A", true)?.1, State::Fresh);
        assert_eq!(runs.get(), 2);
        Ok(())
    }

    #[test]
    fn a_failed_step_is_not_taken_for_finished_and_reports_its_log() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let ctx = Context::for_test(dir.path());
        let runs = Cell::new(0);
        let failing = Copy {
            fails: true,
            ..trial("A", &runs)
        };
        let error = Run::build(&ctx, "test")
            .step(Some(failing))
            .expect_err("the step fails");
        let failed = error
            .downcast_ref::<StepFailed>()
            .expect("it is a step's failure");
        assert!(
            failed.report().contains("from the command"),
            "{}",
            failed.report()
        );
        assert!(
            format!("{error:#}").contains("cannot run false: "),
            "{error:#}"
        );
        let mut run = Run::inspect(&ctx, "test");
        assert!(run.step(Some(trial("A", &runs)))?.is_none());
        Ok(())
    }

    #[test]
    fn an_outdated_output_is_made_again_and_only_once() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let ctx = Context::for_test(dir.path());
        let runs = Cell::new(0);
        Run::build(&ctx, "test").step(Some(trial("A", &runs)))?;
        let outdated = Copy {
            outdated: Some("too old"),
            ..trial("A", &runs)
        };
        let error = Run::build(&ctx, "test")
            .step(Some(outdated))
            .expect_err("still outdated");
        assert!(error.to_string().contains("too old"), "{error:#}");
        assert_eq!(runs.get(), 2);
        Ok(())
    }

    #[test]
    fn a_step_that_needs_a_stale_one_waits() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let ctx = Context::for_test(dir.path());
        let mut run = Run::inspect(&ctx, "test");
        assert!(run.step(None::<Copy<'_>>)?.is_none());
        assert_eq!(run.states(), [("copy", State::Waits)]);
        assert!(!run.all_fresh());
        Ok(())
    }

    #[test]
    fn many_reasons_are_cut_short() {
        let changes: Vec<_> = (0..5).map(|n| format!("f{n} changed")).collect();
        assert_eq!(
            reasons(&changes),
            "f0 changed, f1 changed, f2 changed and 2 more"
        );
    }
}
