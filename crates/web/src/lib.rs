//! The browser's driver of the swarm core: WASM exports, batches in, batches out.
