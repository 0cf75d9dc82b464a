//! Lazy imports, outside the process that runs with them: which importers stay eager, how that is found, and what it brings.

pub mod bisect;
pub mod check;
pub mod lint;
pub mod policy;
pub mod pyproject;
pub mod record;
pub mod report;
pub mod requirements;
pub mod start;
