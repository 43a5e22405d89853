// SPDX-License-Identifier: GPL-2.0-only

//! (to be filled in)

#![cfg_attr(not(MODULE), no_std)]
#![forbid(unsafe_code)]
