//! What holds a program to its budgets: limits, chains of importers, the comparison of times, reports and their history.
//!
//! Exact figures are limits. Times are never compared with a number, only with other times that were measured in turn with them.

pub mod budget;
pub mod chain;
pub mod comparison;
pub mod growth;
pub mod history;
pub mod hygiene;
pub mod report;
mod trend;
pub mod verdict;
