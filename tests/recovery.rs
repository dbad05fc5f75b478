//! Sessions outlive the process: a real server on real files is killed with `kill -9`, started again, and its pages
//! go on. What was acknowledged is there, nothing happens twice, and what cannot be rebuilt is told.

mod ages;
mod killed;
mod lost;
mod outside;
mod page;
mod room;
mod sleeps;
mod survives;
mod upgrades;
mod waits;
