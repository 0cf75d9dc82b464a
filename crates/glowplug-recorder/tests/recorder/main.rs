//! Drives real programs with the recorder in front of libc.

mod contents;
mod environment;
mod handover;
mod isolation;
mod library;
mod start;
