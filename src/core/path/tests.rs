use super::*;

fn field(name: &str) -> Segment {
    Segment::Field(name.into())
}

fn call(name: &str, arguments: Vec<Argument>) -> Segment {
    Segment::Call(name.into(), arguments)
}

fn plain(segments: Vec<Segment>) -> Path {
    Path {
        segments,
        ..Path::default()
    }
}

#[test]
fn every_form_is_read() {
    let path = Path::parse("a.b-c.0.10.name().set(_)").unwrap();
    assert_eq!(
        path.segments,
        [
            field("a"),
            field("b-c"),
            Segment::Index(0),
            Segment::Index(10),
            call("name", vec![]),
            call("set", vec![Argument::Written]),
        ]
    );
    assert!(path.is_setter() && !path.ends_in_call());
    assert_eq!(Path::parse("007").unwrap().segments, [field("007")]);
}

#[test]
fn a_call_takes_literals_and_paths() {
    let path = Path::parse(r#"f( a.b , "x, (y).z?", 'it\'s', -3, 2.5, 1e3, true, nil, g(0.c), _)"#);
    let inner = plain(vec![call(
        "g",
        vec![Argument::Path(plain(vec![Segment::Index(0), field("c")]))],
    )]);
    assert_eq!(
        path.unwrap().segments,
        [call(
            "f",
            vec![
                Argument::Path(plain(vec![field("a"), field("b")])),
                Argument::Text("x, (y).z?".into()),
                Argument::Text("it's".into()),
                Argument::Integer(-3),
                Argument::Float(2.5),
                Argument::Float(1000.0),
                Argument::Boolean(true),
                Argument::Nil,
                Argument::Path(inner),
                Argument::Written,
            ]
        )]
    );
}

#[test]
fn dots_in_front_go_up() {
    for (text, up, rest, canonical) in [
        ("..", 1, "", ".."),
        ("..a", 1, "a", "...a"),
        ("...a", 1, "a", "...a"),
        (".....", 2, "", "....."),
        (".....a.b", 2, "a.b", "......a.b"),
        ("......a", 2, "a", "......a"),
        ("........0", 3, "0", ".........0"),
    ] {
        let path = Path::parse(text).unwrap();
        assert_eq!(path.start, Start::Up(up), "{text}");
        assert_eq!(path.segments, Path::parse(rest).unwrap().segments, "{text}");
        assert_eq!(path.to_string(), canonical);
    }
}

#[test]
fn a_path_may_start_at_a_name_and_be_negated() {
    let path = Path::parse("!@user.name").unwrap();
    assert!(path.not);
    assert_eq!(path.start, Start::Named("user".into()));
    assert_eq!(path.segments, [field("name")]);
    assert_eq!(Path::parse("@user").unwrap().segments, []);
    assert!(Path::parse("!").unwrap().segments.is_empty());
}

#[test]
fn nonsense_is_refused() {
    for text in [
        ".",
        "a..b",
        "a.",
        ".a",
        "x(",
        "x)",
        "(x)",
        "x(_).y",
        "a b",
        "....",
        "....a",
        "...",
        "a...b",
        "!!a",
        "a.!b",
        "@",
        "@.a",
        "@a.",
        "@a()",
        "@a b",
        "a.@b",
        "x(,)",
        "x(a,)",
        "x(,a)",
        "x(a b)",
        "x(\"a)",
        "x(\"\\x\")",
        "x('a\\",
        "x(1e999)",
        "x(-a)",
        "x(y(_))",
        "x(a.)",
        "x(!!a)",
        "x()y",
        "a,b",
        "a'b",
        "f(g(h(i(j()))))",
        "f(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17)",
    ] {
        assert!(Path::parse(text).is_err(), "{text}");
    }
    assert!(Path::parse("f(g(h(i())))").is_ok());
    assert!(Path::parse("f(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16)").is_ok());
}

#[test]
fn a_path_ends_somewhere() {
    let path = |segments| Path::parse(&vec!["a"; segments].join("."));
    assert!(path(SEGMENTS_MAX).is_ok());
    let message = path(100_000).unwrap_err().to_string();
    assert!(
        message.contains("at most 100") && message.len() < 200,
        "{message}"
    );
}

#[test]
fn private_names_are_found_wherever_they_hide() {
    for text in [
        "_a",
        "a._b",
        "_a()",
        "@_a",
        "f(_a)",
        "f(1, g(_a))",
        "f(@_a.b)",
        "!_a",
        "..._a",
    ] {
        assert!(Path::parse(text).unwrap().is_private(), "{text}");
    }
    for text in ["a_", "f(_)", "f(\"_a\")", "@a.b_"] {
        assert!(!Path::parse(text).unwrap().is_private(), "{text}");
    }
}

#[test]
fn properties_follow_a_question_mark() {
    assert_eq!(
        split_properties("rows?wrapper=lua.ViewList&keypress"),
        (
            "rows",
            vec![("wrapper", "lua.ViewList"), ("keypress", "true")]
        )
    );
    assert_eq!(
        split_properties(r#"f("a?b=\"c", '?')?access=r"#),
        (r#"f("a?b=\"c", '?')"#, vec![("access", "r")])
    );
    assert_eq!(split_properties("f(\"open?x=1").1, []);
}
