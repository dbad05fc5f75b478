//! Who may come in: logins of all kinds over real sockets, sessions that are their owner's alone, also after a
//! restart, what each may use, what is written down of it, and what strangers learn: nothing.

mod audit;
mod client;
mod leaks;
mod login;
mod owners;
mod paths;
mod proxy;
mod quotas;
mod running;
mod stride;
