//! The collector: a library that is preloaded into a profiled Python and notes what its imports cost.
//!
//! One build serves every CPython since 3.9: it links to none, and finds what it calls (functions of the public C API alone) by
//! name in the process. In a process without a Python it does nothing but hand itself on to those that this one starts.
//!
//! Notes go to a file that is mapped and shared with the starter: no descriptor stays open, and what has been noted is there
//! however the process ends. [`trace`] says how they are laid out.
//!
//! Nothing is left in the environment for the program to see.

mod api;
mod audit;
mod codes;
mod counters;
mod environment;
mod hooks;
mod install;
mod intern;
mod names;
mod next;
mod sites;
mod snapshot;
mod start;
mod steps;
mod trace;
mod usage;
