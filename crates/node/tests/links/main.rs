//! Links on real sockets: what two or many peers in one process see of each other.

mod coturn;
mod data;
mod ends;
mod hidden;
mod hostile;
mod hub;
mod lite;
mod paths;
mod relay;
mod strangers;
mod turn;
