//! The native driver of the swarm core: WebRTC links, tracker, origin and store, without a browser.
//!
//! A node is one of the viewers: it knows nothing of packaging or of publishers' secrets, and every decision is the core's.
//! [`viewer::Viewer`] is the whole of it; [`gateway::Gateway`] gives its film to players over HTTP. [`live::Live`] is a viewer of a
//! live stream, [`seed::Seeder`] one of another system's pages. What any number of them send shares one [`uplink::Uplink`].

pub mod admin;
pub mod cache;
pub mod edge;
pub mod film;
pub mod gateway;
mod letters;
pub mod links;
pub mod live;
mod log;
pub mod origin;
pub mod pass;
mod playback;
pub mod pml;
pub mod seed;
mod serving;
pub mod shelf;
mod store;
pub mod tracker;
pub mod uplink;
pub mod viewer;
