//! What there is to watch: renditions, segments, pieces, their digests, and the publisher's signature over them.
