//! Profiles of start-ups of Python programs: the data model, the cost model on the import graph, statistics, exporters.
//!
//! Pure: nothing here starts a process or touches the machine. See docs/profile.md.
#![forbid(unsafe_code)]

pub mod assemble;
pub mod costs;
pub mod diff;
pub mod export;
pub mod facts;
pub mod figures;
pub mod findings;
pub mod gate;
pub mod html;
pub mod importtime;
pub mod medians;
pub mod model;
pub mod sample;
pub mod terminal;
pub mod trace;
