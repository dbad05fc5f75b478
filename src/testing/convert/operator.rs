//! The lines of what the operator did, by `lunette update` and `eval`. No page did it, and a test does what pages do: they
//! are remarks, for those who edit the test.

use super::{Conversion, props_of, step_of};
use crate::core::id::APP;
use crate::core::message::{Batch, Json, Message};
use crate::testing::store::Store;

impl Conversion<'_> {
    pub(super) fn by_operator(&mut self, batch: &Batch) {
        self.pass_time();
        self.tell_changes();
        self.acted = true;
        // Theirs is a page that shows nothing else.
        let mut store = Store::default();
        for message in &batch.messages {
            match message {
                Message::Create {
                    id,
                    parent,
                    properties,
                    ..
                } => store.create(*id, *parent, props_of(properties), None),
                Message::Update {
                    var,
                    value,
                    properties,
                } => {
                    if *var == APP.0 && properties.iter().any(|(name, _)| &**name == "lua") {
                        self.tell_operator("ran code here");
                    }
                    let value = value
                        .as_ref()
                        .and_then(|Json(text)| serde_json::from_str(text).ok());
                    let step =
                        value.and_then(|value| step_of(&self.secrets, &mut store, *var, value));
                    if let Some(step) = step {
                        self.tell_operator(&format!("did this here: {step}"));
                    }
                }
                _ => {}
            }
        }
    }

    fn tell_operator(&mut self, what: &str) {
        self.remark(&format!(
            "the operator {what}; no page did, and a test does what pages do"
        ));
    }
}
