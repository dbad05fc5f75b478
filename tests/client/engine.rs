//! The client's modules in a JavaScript engine, in this process: no browser, no clock, no network.

use rquickjs::loader::{BuiltinLoader, BuiltinResolver};
use rquickjs::{CatchResultExt, Context, Ctx, Function, Module, Runtime, TypedArray};
use serde_json::{Value, json};

/// What of the client needs no page.
const MODULES: [(&str, &str); 5] = [
    ("keys.js", include_str!("../../src/web/keys.js")),
    ("link.js", include_str!("../../src/web/link.js")),
    ("outbox.js", include_str!("../../src/web/outbox.js")),
    ("paths.js", include_str!("../../src/web/paths.js")),
    ("store.js", include_str!("../../src/web/store.js")),
];

/// Bytes of a text, for which engines without a browser have no class. Each text on its way is encoded, on both sides:
/// in JavaScript that would take longer than all the rest.
const ENCODER: &str =
    "globalThis.TextEncoder = class { encode(text) { return encodeUtf8(text); } };";

fn encode_utf8<'js>(ctx: Ctx<'js>, text: String) -> rquickjs::Result<TypedArray<'js, u8>> {
    TypedArray::new(ctx, text)
}

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
            let encode = Function::new(ctx.clone(), encode_utf8).expect("a function");
            let globals = ctx.globals();
            globals.set("encodeUtf8", encode).expect("it is set");
            let set: Result<(), _> = ctx.eval(ENCODER).catch(&ctx);
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
