//! Safe handles over Linux: what a process inherited, becoming another program, views of files. See docs/ARCHITECTURE.md.

pub mod exec;
pub mod startup;
pub mod view;

pub use exec::exec;
pub use view::View;
