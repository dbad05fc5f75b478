use super::*;

fn state() -> State {
    State::new(7, StateLimits::default()).unwrap()
}

fn eval(state: &State, script: &str) -> String {
    state
        .lua()
        .load(script)
        .set_name("=test")
        .eval::<String>()
        .unwrap()
}

#[test]
fn memory_is_counted_exactly_as_lua_counts() {
    let state = state();
    let counted = state
        .lua()
        .load("return collectgarbage('count') * 1024")
        .eval::<f64>()
        .unwrap();
    assert!(
        (counted - state.memory_used() as f64).abs() < 2000.0,
        "{counted}"
    );
}

#[test]
fn a_state_behaves() {
    let state = state();
    assert_eq!(
        eval(&state, "return string.format('%5.2f|%d|%s', 1/3, 3.7, 'x')"),
        " 0.33|3|x"
    );
    assert_eq!(
        eval(&state, "return ('abc'):upper() .. 3.0 .. 10 // 3 .. 2^53"),
        "ABC339.007199254741e+15"
    );
    assert_eq!(
        eval(
            &state,
            "return table.concat({1, 2, 3}, ',') .. math.floor(3.7)"
        ),
        "1,2,33"
    );
}

#[test]
fn the_build_has_its_hooks() {
    crate::lua::determinism::self_check().unwrap();
}

#[test]
fn a_state_frees_all_it_had() {
    let rss = || {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4
    };
    for _ in 0..200 {
        state();
    }
    let before = rss();
    let start = std::time::Instant::now();
    for _ in 0..10_000 {
        state();
    }
    println!(
        "{:?} each, {} kB more",
        start.elapsed() / 10_000,
        rss() - before
    );
    let many: Vec<State> = (0..500).map(|_| state()).collect();
    println!(
        "{} kB for 500; used {} touched {}",
        rss() - before,
        many[0].memory_used(),
        many[0].memory_touched()
    );
}
