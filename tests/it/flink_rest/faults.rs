//! A server, or something in its place, that misbehaves.
