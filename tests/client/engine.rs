//! The client's modules in a JavaScript engine, in this process: no browser, no clock, no network.

use rquickjs::loader::{BuiltinLoader, BuiltinResolver};
use rquickjs::{CatchResultExt, Context, Function, Module, Runtime};
use serde_json::{Value, json};

/// What of the client needs no page.
const MODULES: [(&str, &str); 5] = [
    ("keys.js", include_str!("../../src/web/keys.js")),
    ("link.js", include_str!("../../src/web/link.js")),
    ("outbox.js", include_str!("../../src/web/outbox.js")),
    ("paths.js", include_str!("../../src/web/paths.js")),
    ("store.js", include_str!("../../src/web/store.js")),
];

/// Bytes of a text, which engines without a browser do not have.
const UTF8: &str = "globalThis.TextEncoder = class { encode(text) {
  const bytes = [];
  for (const letter of text) {
    const code = letter.codePointAt(0);
    const shifts = code < 128 ? [] : code < 2048 ? [6] : code < 65536 ? [12, 6] : [18, 12, 6];
    const lead = [0, 192, 224, 240][shifts.length];
    bytes.push(shifts.length ? lead | (code >> shifts[0]) : code);
    for (const shift of shifts.slice(1).concat(shifts.length ? 0 : [])) bytes.push(128 | ((code >> shift) & 63));
  }
  return bytes;
} };";

/// An engine with as many pages as one opens.
pub struct Engine {
    context: Context,
    // Dropped after what lives in it.
    _runtime: Runtime,
}

impl Engine {
    pub fn start() -> Engine {
        let runtime = Runtime::new().expect("an engine");
        let mut resolver = BuiltinResolver::default();
        let mut loader = BuiltinLoader::default();
        for (name, source) in MODULES {
            resolver.add_module(name);
            loader.add_module(name, source);
        }
        runtime.set_loader(resolver, loader);
        let context = Context::full(&runtime).expect("a context");
        context.with(|ctx| {
            let set: Result<(), _> = ctx.eval(UTF8).catch(&ctx);
            set.expect("the encoder is set");
            for (name, source) in [
                ("page.js", include_str!("page.js")),
                ("modules.js", include_str!("modules.js")),
            ] {
                let module = Module::evaluate(ctx.clone(), name, source);
                module
                    .and_then(|promise| promise.finish::<()>())
                    .catch(&ctx)
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        });
        Engine {
            context,
            _runtime: runtime,
        }
    }

    /// Calls one of the doors of `page.js`.
    pub fn call(&self, name: &str, argument: Value) -> Value {
        let text: String = self.context.with(|ctx| {
            let door: Function = ctx.globals().get("door").expect("a door");
            door.call((name, argument.to_string()))
                .catch(&ctx)
                .unwrap_or_else(|error| panic!("{name}({argument}): {error}"))
        });
        serde_json::from_str(&text).expect("doors answer in JSON")
    }

    /// What the checks of `modules.js` complain of.
    pub fn complaints(&self) -> Vec<String> {
        let text: String = self.context.with(|ctx| {
            let check: Function = ctx.globals().get("checkModules").expect("the checks");
            check
                .call(())
                .catch(&ctx)
                .unwrap_or_else(|error| panic!("{error}"))
        });
        serde_json::from_str(&text).expect("a list of texts")
    }

    /// [`Engine::call`] for one page.
    pub fn page(&self, page: usize, name: &str, mut argument: Value) -> Value {
        argument["page"] = json!(page);
        self.call(name, argument)
    }
}
