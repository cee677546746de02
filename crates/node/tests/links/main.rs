//! Links on real sockets: what two or many peers in one process see of each other.

mod data;
mod ends;
mod hidden;
mod hostile;
mod hub;
mod paths;
mod relay;
mod strangers;
