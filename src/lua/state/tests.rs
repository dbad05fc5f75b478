use super::*;

fn state() -> State {
    State::new(7, StateLimits::default()).unwrap()
}

fn eval(state: &State, script: &str) -> String {
    state.evaluate(c"=test", script).unwrap()
}

#[test]
fn memory_is_counted_exactly_as_lua_counts() {
    let state = state();
    let counted = eval(&state, "return collectgarbage('count') * 1024");
    let counted: f64 = counted.parse().unwrap();
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

/// Kilobytes that this process has made itself. What it maps of its program's file does not count: how much of
/// that is resident is the kernel's guess of what will be used.
#[cfg(target_os = "linux")]
fn own_kilobytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find(|text| text.starts_with("Anonymous:"));
    let number = line.unwrap().split_whitespace().nth(1);
    number.unwrap().parse().unwrap()
}

/// In a process of its own, since other tests use memory too.
#[test]
#[cfg(target_os = "linux")]
fn states_are_small_and_free_all_they_had() {
    const CHILD: &str = "LUNETTE_MEMORY_CHILD";
    if std::env::var_os(CHILD).is_none() {
        let name = "lua::state::tests::states_are_small_and_free_all_they_had";
        let limited = format!("ulimit -v 1500000; exec \"$0\" --exact {name}");
        let output = std::process::Command::new("sh")
            .args(["-c", &limited])
            .arg(std::env::current_exe().unwrap())
            .env(CHILD, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        return;
    }
    for _ in 0..200 {
        state();
    }
    let before = own_kilobytes();
    for _ in 0..10_000 {
        state();
    }
    let after = own_kilobytes();
    assert!(
        after <= before + 200,
        "10,000 states left {} kB",
        after - before
    );
    let many: Vec<State> = (0..500).map(|_| state()).collect();
    let each = (own_kilobytes() - after) as f64 / 500.0;
    assert!(each < 20.0, "{each} kB a state");
    drop(many);
    assert!(own_kilobytes() <= after + 1000);
}

#[test]
fn a_short_pause_keeps_less_garbage() {
    let most = |gc_pause| {
        let limits = StateLimits {
            gc_pause,
            ..StateLimits::default()
        };
        let script = "local kept, most = {}, 0
            for i = 1, 5000 do kept[i] = {i} end
            for i = 1, 50000 do
                local garbage = {i}
                most = math.max(most, collectgarbage('count'))
            end
            return math.floor(most)";
        let most = eval(&State::new(7, limits).unwrap(), script);
        most.parse::<u64>().unwrap()
    };
    let [short, usual] = [most(120), most(200)];
    assert!(short * 3 < usual * 2, "{short} and {usual} KiB");
}

#[test]
fn impossible_limits_are_told() {
    let tiny = StateLimits {
        memory: 5000,
        gas: 1,
        ..StateLimits::default()
    };
    assert!(matches!(
        State::new(1, tiny),
        Err(StateError::Limit { limit: 5000, .. })
    ));
    for memory in [1 << 40, usize::MAX / 2 + 2, usize::MAX] {
        let huge = StateLimits {
            memory,
            gas: 1,
            ..StateLimits::default()
        };
        assert!(matches!(State::new(1, huge), Err(StateError::Arena(_))));
    }
}

#[test]
fn memory_goes_back_to_the_system() {
    let state = state();
    let empty = state.memory_held();
    eval(&state, "t = {} for i = 1, 50000 do t[i] = {i} end");
    let full = state.memory_held();
    // Enough for the collector to get to the end of its round.
    eval(&state, "t = nil for i = 1, 200000 do local more = {i} end");
    state.trim();
    assert!(state.memory_held() < full / 2, "{}", state.memory_held());
    assert!(full > empty + (4 << 20));
    assert!(state.memory_used() < 20_000, "{}", state.memory_used());
    assert!(state.memory_peak() > 4 << 20);
}
