//! The native driver of the swarm core: WebRTC links, tracker, origin and store, without a browser.
