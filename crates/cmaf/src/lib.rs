//! Samples in, CMAF bytes and HLS and DASH text out, without I/O.
