//! The WebSocket server round the rendezvous table.
