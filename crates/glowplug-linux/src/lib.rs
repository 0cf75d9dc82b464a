//! Safe handles over Linux: what a process inherited, becoming another program, views of files. See docs/ARCHITECTURE.md.

pub mod alarm;
pub mod attempts;
pub mod confinement;
pub mod counting;
pub mod descendants;
pub mod descriptors;
pub mod detach;
pub mod exec;
pub mod halt;
pub mod identity;
pub mod limits;
pub mod process;
pub mod signals;
pub mod startup;
pub mod supervise;
pub mod surroundings;
pub mod view;

pub use exec::exec;
pub use process::Process;
pub use view::View;
