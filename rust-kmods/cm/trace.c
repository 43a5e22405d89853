// SPDX-License-Identifier: GPL-2.0-only
/* What TRACE_EVENT() makes of trace.h; C, because the kernel has it in no other form. */
#include <linux/module.h>

#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include "trace.h"
