//! Killed at random points under load.
