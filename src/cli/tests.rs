use super::*;

#[test]
fn the_definition_is_sound_and_its_help_fits_a_screen() {
    Cli::command().debug_assert();
    let help = Cli::command().render_help().to_string();
    assert!(help.lines().count() <= 50, "{help}");
}

#[test]
fn serving_is_the_default() {
    let read = |line: &str| Cli::try_parse_from(line.split(' '));
    let bare = read("lunette --port 0 -vv").unwrap();
    assert!(bare.command.is_none() && bare.serve.port == Some(0) && bare.serve.verbose == 2);
    let named = read("lunette serve --dir x --state none --session-timeout 1h30m").unwrap();
    let Some(Command::Serve(flags)) = named.command else {
        panic!("{named:?}");
    };
    assert_eq!(flags.session_timeout, Some(5_400_000));
    assert!(read("lunette serve --state somewhere --recover eager").is_ok());
    assert!(read("lunette serve --recover sometimes").is_err());
    assert!(read("lunette replay").is_err());
    let drop = read("lunette sessions drop 1f --state x").unwrap();
    assert!(matches!(
        drop.command,
        Some(Command::Sessions {
            action: Some(SessionsAction::Drop { session }),
            state: StateFlags { state: Some(_), dir: None },
            json: false,
        }) if session == "1f"
    ));
    assert!(read("lunette export 1f").is_err());
    assert!(read("lunette export 1f -o x --secret a.b --secret c").is_ok());
    for command in ["replay", "transcript", "inspect"] {
        assert!(
            read(&format!(
                "lunette {command} x.lnt --secret a --dir b --state c"
            ))
            .is_ok()
        );
    }
}
