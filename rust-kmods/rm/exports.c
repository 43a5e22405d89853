// SPDX-License-Identifier: GPL-2.0-only
/* The Rust symbols that other modules need of this one; see Kbuild. */
#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
