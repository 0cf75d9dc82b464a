//! The fork server and the pool. See docs/serve.md and docs/ARCHITECTURE.md.
//!
//! | file | what |
//! |---|---|
//! | `message.rs` | sockets that carry messages of fixed length, and descriptors with them |
//! | `place.rs` | where the sockets of servers lie |
//! | `server.rs`, `server/` | the server: one loop that hands processes of one template to clients |
//! | `client.rs`, `client/` | the client: stands for the program that was started, to whoever started it |
//! | `report.rs` | what a server tells about itself |
#![forbid(unsafe_code)]

pub mod client;
mod message;
mod place;
mod report;
pub mod server;

pub use place::{Place, SUFFIX};
pub use report::{Report, Worker};
