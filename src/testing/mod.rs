//! Testing: recordings of what users did, as text, run against a site.
//!
//! **Contract.** A recording ([`script`]) says what a session begins with, what is done on its pages, and what
//! they show then. [`run`](mod@run) does it: through the real core and Lua ([`stage`]), with a page that reads the
//! site's present templates and makes the variables that a browser would ([`page`]), on a clock that is told the time.
//! Values are compared, not pixels. Files, processes and the environment answer as recorded ([`answers`]), so that a
//! test gives the same anywhere. Files that users [`upload`] are in the recording.
//!
//! Reading order: [`script`] is the format; [`template`] (with `html` and `attributes`), [`store`] (with `frame`) and [`page`] are the browser that is
//! not there, [`find`] looks for a path on it; [`stage`] is the session around it; [`run`](mod@run) the steps, [`diff`]
//! what is told of them. [`take`] is what a session was seen to do and [`convert`] makes a recording of it, for the
//! Record button and for journals; [`suite`] are the recordings of a site, [`report`] what is told of them.
//! [`check`](mod@check) looks for what is wrong with a site without any recording.

pub mod answers;
mod attributes;
pub mod check;
pub mod convert;
pub mod diff;
pub mod find;
mod frame;
mod html;
pub mod page;
pub mod path;
pub mod report;
pub mod run;
pub mod script;
pub mod stage;
pub mod store;
pub mod suite;
pub mod take;
pub mod template;
pub mod time;
pub mod upload;

pub use time::show_time;
