//! What cannot be rebuilt, and what is said of it.
