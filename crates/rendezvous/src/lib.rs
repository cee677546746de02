//! Who meets whom: tracker messages and the swarm table, without sockets.
