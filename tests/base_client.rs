//! A client of the base protocol, written from frames recorded with ui-engine 0.21: ids from 2, auto-watch, the
//! session id from the cookie, a big `widget` field in every create. It walks the recorded conversations against a
//! real server process and asserts the shapes that pages rely on; where the recording shows a defect, it asserts
//! what the protocol demands instead. Nothing here waits for time to pass: a `get` of variable 1 is the fence,
//! because its answer comes after, or with, that of everything sent before it.

mod apps;
pub mod page;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use page::*;

#[test]
fn the_first_frame_has_the_viewdefs_before_the_value_and_type() {
    let server = serve("counter");
    let (page, said) = Page::open(&server, &browse(&server));
    let [viewdefs, value] = &said[..] else {
        panic!("two messages were expected: {said:?}")
    };
    assert!(viewdefs["data"].get("value").is_none(), "{viewdefs}");
    assert!(page.viewdefs.contains("App.DEFAULT"), "{viewdefs}");
    assert_eq!(
        *value,
        json!({"type": "update", "data": {"varId": 1, "value": {"obj": 2}, "properties": {"type": "App"}}})
    );
}

#[test]
fn creates_are_watched_and_answered_in_the_order_of_their_ids() {
    let server = serve("counter");
    let (mut page, _) = Page::open(&server, &browse(&server));
    let said = page.say(&[
        create(2, 1, json!({"path": "count", "access": "r", "elementId": "ui-1"})),
        create(3, 1, json!({"path": "name", "elementId": "ui-2"})),
        create(4, 1, json!({"path": "increment()", "access": "action", "priority": "low", "elementId": "ui-3"})),
    ]);
    assert_eq!(said, [write(2, json!(0)), write(3, json!("ready"))]);
}

#[test]
fn a_create_with_nowatch_is_silent_until_it_is_watched() {
    let server = serve("counter");
    let (mut page, _) = Page::open(&server, &browse(&server));
    let mut quiet = create(2, 1, json!({"path": "count"}));
    quiet["data"]["nowatch"] = json!(true);
    assert_eq!(page.say(&[quiet]), Vec::<Value>::new());
    assert_eq!(
        page.say(&[watch(2)]),
        [
            json!({"type": "update", "data": {"varId": 2, "value": 0, "properties": {"path": "count"}}})
        ]
    );
}

#[test]
fn an_action_is_answered_in_one_frame_and_two_in_a_batch_once() {
    let server = serve("counter");
    let mut page = Page::counter(&server, &browse(&server));
    assert_eq!(page.act(&[press(4)]), [write(2, json!(1))]);
    assert_eq!(page.act(&[press(4), press(4)]), [write(2, json!(3))]);
}

#[test]
fn a_write_is_echoed_to_other_variables_of_the_path_only() {
    let server = serve("counter");
    let mut page = Page::counter(&server, &browse(&server));
    let said = page.say(&[create(
        5,
        1,
        json!({"path": "name", "access": "r", "elementId": "ui-4"}),
    )]);
    assert_eq!(said, [write(5, json!("ready"))]);
    assert_eq!(
        page.say(&[write(3, json!("bob"))]),
        [write(5, json!("bob"))]
    );
}

#[test]
fn watching_again_sends_the_value_and_all_properties() {
    let server = serve("counter");
    let mut page = Page::counter(&server, &browse(&server));
    let whole = [json!({"type": "update", "data": {
        "varId": 2, "value": 0, "properties": {"access": "r", "elementId": "ui-1", "path": "count"}}})];
    assert_eq!(page.say(&[watch(2)]), whole);
    assert_eq!(
        page.say(&[json!({"type": "get", "data": {"varIds": [2]}})]),
        whole
    );
}

#[test]
fn an_unwatched_variable_is_not_sent() {
    let server = serve("counter");
    let mut page = Page::counter(&server, &browse(&server));
    assert_eq!(page.say(&[unwatch(2)]), Vec::<Value>::new());
    page.send(true, &[press(4)]);
    assert_eq!(page.fence(), Vec::<Value>::new());
    let said = page.say(&[watch(2)]);
    assert_eq!(said[0]["data"]["value"], 1, "{said:?}");
    assert_eq!(page.act(&[press(4)]), [write(2, json!(2))]);
}

#[test]
fn a_destroyed_variable_is_noticed_and_gone() {
    let server = serve("counter");
    let mut page = Page::counter(&server, &browse(&server));
    assert_eq!(page.say(&[destroy(3)]), [destroy(3)]);
    expect_error(&page.say(&[write(3, json!("late"))]), 3, "not-found");
}

#[test]
fn a_path_through_nothing_is_nil_and_no_error() {
    let server = serve("counter");
    let mut page = Page::counter(&server, &browse(&server));
    assert_eq!(
        page.say(&[create(10, 1, json!({"path": "nope.deep"}))]),
        Vec::<Value>::new()
    );
    expect_error(&page.say(&[write(10, json!(1))]), 10, "path-failure");
}

#[test]
fn a_create_that_cannot_be_says_why() {
    let server = serve("counter");
    let mut page = Page::counter(&server, &browse(&server));
    let said = page.say(&[create(11, 99, json!({"path": "count"}))]);
    expect_error(&said, 11, "not-found");
    let said = page.say(&[create(2, 1, json!({"path": "name"}))]);
    expect_error(&said, 2, "bad-message");
    let said = page.say(&[create(12, 1, json!({}))]);
    expect_error(&said, 12, "bad-message");
    let said = page.say(&[create(13, 1, json!({"path": "count", "access": "zz"}))]);
    expect_error(&said, 13, "bad-access");
    let said = page.say(&[create(14, 1, json!({"path": "increment()", "access": "w"}))]);
    expect_error(&said, 14, "bad-access");
    assert_eq!(
        page.act(&[press(4)]),
        [write(2, json!(1))],
        "variable 2 is the one it was"
    );
}

#[test]
fn an_unknown_variable_is_not_found() {
    let server = serve("counter");
    let mut page = Page::counter(&server, &browse(&server));
    expect_error(&page.say(&[write(999, json!(1))]), 999, "not-found");
    expect_error(&page.say(&[watch(998)]), 998, "not-found");
    expect_error(&page.say(&[destroy(997)]), 997, "not-found");
    expect_error(&page.say(&[unwatch(996)]), 996, "not-found");
    expect_error(
        &page.say(&[json!({"type": "get", "data": {"varIds": [995]}})]),
        995,
        "not-found",
    );
}

#[test]
fn a_message_that_makes_no_sense_is_a_bad_message() {
    let server = serve("counter");
    let mut page = Page::counter(&server, &browse(&server));
    let unknown_type = json!({"type": "zzz", "data": {"a": 1}});
    assert_eq!(one_error(&page.say(&[unknown_type])).1, "bad-message");
    let wrong_type_of_id = json!({"type": "watch", "data": {"varId": "1"}});
    assert_eq!(one_error(&page.say(&[wrong_type_of_id])).1, "bad-message");
    for text in [
        "{\"userEvent\":tru",
        "42",
        "{}",
        "{\"type\":\"watch\"}",
        "[1]",
    ] {
        page.send_text(text);
        assert_eq!(one_error(&page.fence()).1, "bad-message", "to {text}");
    }
    assert_eq!(
        page.say(&[]),
        Vec::<Value>::new(),
        "an empty batch is no mistake"
    );
    assert_eq!(
        page.act(&[press(4)]),
        [write(2, json!(1))],
        "the page works on"
    );
}

#[test]
fn one_bad_message_does_not_affect_the_others_of_its_batch() {
    let server = serve("counter");
    let mut page = Page::counter(&server, &browse(&server));
    page.send(
        true,
        &[
            press(4),
            watch(998),
            press(4),
            json!({"type": "zzz", "data": {}}),
            create(5, 99, json!({"path": "count"})),
            create(6, 1, json!({"path": "count"})),
            json!({"type": "watch", "data": {"varId": []}}),
            press(4),
        ],
    );
    let said = page.fence();
    let codes: Vec<_> = said
        .iter()
        .filter_map(|message| message["data"]["code"].as_str())
        .collect();
    assert_eq!(codes.len(), 4, "{said:?}");
    assert!(said.contains(&write(2, json!(3))), "{said:?}");
    assert!(said.contains(&write(6, json!(3))), "{said:?}");
}

#[test]
fn single_messages_and_bare_arrays_are_batches_without_a_user() {
    let server = serve("counter");
    let mut page = Page::counter(&server, &browse(&server));
    page.send_text(&json!({"type": "update", "data": {"varId": 3}}).to_string());
    assert_eq!(
        page.fence(),
        Vec::<Value>::new(),
        "an update of nothing changes nothing"
    );
    page.send_text(&press(4).to_string());
    assert_eq!(page.fence(), [write(2, json!(1))]);
    page.send_text(&json!([watch(2), press(4)]).to_string());
    let said = page.fence();
    let last = said.last().unwrap_or_else(|| panic!("variable 2 is sent"));
    assert_eq!(
        (&last["data"]["varId"], &last["data"]["value"]),
        (&json!(2), &json!(2)),
        "{said:?}"
    );
}

#[test]
fn objects_can_be_asked_for() {
    let server = serve("counter");
    let mut page = Page::counter(&server, &browse(&server));
    page.act(&[press(4)]);
    assert_eq!(
        page.say(&[json!({"type": "getObjects", "data": {"objIds": [2]}})]),
        [json!({"type": "objects", "data": {"objects": [{"obj": 2, "value": {"count": 1}}]}})]
    );
}

#[test]
fn two_pages_of_a_session_share_objects_and_nothing_else() {
    let server = serve("counter");
    let session = browse(&server);
    let mut one = Page::counter(&server, &session);
    let (mut two, said) = Page::open(&server, &session);
    assert_eq!(
        said.last().map(|message| &message["data"]["value"]),
        Some(&json!({"obj": 2}))
    );
    assert!(
        two.viewdefs.contains("App.DEFAULT"),
        "each page gets the viewdefs: {said:?}"
    );
    assert_eq!(
        one.fence(),
        Vec::<Value>::new(),
        "the first page hears nothing of it"
    );

    // The same ids, other paths.
    let said = two.say(&[
        create(2, 1, json!({"path": "name"})),
        create(3, 1, json!({"path": "increment()", "access": "action"})),
        create(4, 1, json!({"path": "count"})),
    ]);
    assert_eq!(said, [write(2, json!("ready")), write(4, json!(0))]);
    assert_eq!(one.act(&[press(4)]), [write(2, json!(1))]);
    assert_eq!(two.fence(), [write(4, json!(1))]);
    assert_eq!(two.act(&[press(3)]), [write(4, json!(2))]);
    assert_eq!(one.fence(), [write(2, json!(2))]);
    assert_eq!(two.say(&[destroy(4)]), [destroy(4)]);
    assert_eq!(one.act(&[press(4)]), [write(2, json!(3))]);
    two.leave();
    assert_eq!(one.act(&[press(4)]), [write(2, json!(4))]);
    assert_eq!(
        one.act(&[write(3, json!("still")), press(4)]),
        [write(2, json!(5))]
    );
}

#[test]
fn a_refresh_starts_over_with_ids_and_keeps_the_objects() {
    let server = serve("counter");
    let session = browse(&server);
    let mut page = Page::counter(&server, &session);
    page.act(&[press(4)]);
    page.leave();
    let (mut page, said) = Page::open(&server, &session);
    assert!(
        page.viewdefs.contains("App.DEFAULT"),
        "the viewdefs come again: {said:?}"
    );
    assert_eq!(
        page.say(&[create(2, 1, json!({"path": "count"}))]),
        [write(2, json!(1))]
    );
}

#[test]
fn sockets_of_unknown_sessions_and_foreign_pages_are_refused() {
    let server = serve("counter");
    let session = browse(&server);
    let unknown = "0123456789abcdef0123456789abcdef";
    let refused = Socket::open(server.address, unknown, "")
        .expect("an answer")
        .err()
        .expect("a refusal");
    assert_eq!(
        (refused.status, refused.text().trim()),
        (404, "Session not found")
    );
    let foreign = "Origin: http://elsewhere.example\r\n";
    let refused = Socket::open(server.address, &session, foreign)
        .expect("an answer")
        .err()
        .expect("a refusal");
    assert_eq!(refused.status, 403);
    let own = format!("Origin: http://{}\r\n", server.address);
    assert!(
        Socket::open(server.address, &session, &own)
            .expect("an answer")
            .is_ok()
    );
}

#[test]
fn a_list_is_shown_touched_grown_and_destroyed() {
    let server = serve("list");
    let (mut page, _) = Page::open(&server, &browse(&server));
    let said = page.say(&[
        create(2, 1, json!({"path": "size"})),
        create(3, 1, json!({"path": "fill()", "access": "action"})),
        create(4, 1, json!({"path": "touch()", "access": "action"})),
        create(5, 1, json!({"path": "append()", "access": "action"})),
    ]);
    assert_eq!(said, [write(2, json!(0))]);
    assert_eq!(
        page.say(&[write(2, json!(3)), press(3)]),
        Vec::<Value>::new()
    );
    let items = show_list(&mut page);

    assert_eq!(
        page.act(&[press(4)]),
        [write(13, json!(1))],
        "the touched row"
    );
    page.send(true, &[press(5)]);
    let said = page.fence();
    let grown = said.iter().find(|message| message["data"]["varId"] == 7);
    let grown = grown
        .and_then(|message| message["data"]["value"].as_array())
        .expect("the items were sent");
    assert_eq!(
        (&grown[..3], grown.len()),
        (&items[..], 4),
        "the old items are the same objects"
    );

    let said = page.say(&[destroy(7)]);
    let order: Vec<_> = said
        .iter()
        .filter(|message| message["type"] == "destroy")
        .filter_map(|message| message["data"]["varId"].as_u64())
        .collect();
    assert_eq!(
        BTreeSet::from_iter(order.clone()),
        BTreeSet::from([7, 8, 9, 10, 11, 12, 13]),
        "{said:?}"
    );
    let place = |id| order.iter().position(|other| *other == id);
    for (child, parent) in [(12, 11), (13, 11), (11, 9), (8, 7), (9, 7), (10, 7)] {
        assert!(
            place(child) < place(parent),
            "children go before their parents: {order:?}"
        );
    }
}

/// Creates the chain of variables for a list of three rows, down to the fields of the middle one; the items.
fn show_list(page: &mut Page) -> Vec<Value> {
    let said = page.say(&[create(
        6,
        1,
        json!({"path": "rows", "wrapper": "lua.ViewList", "elementId": "ui-9"}),
    )]);
    let about_list: Vec<_> = said
        .iter()
        .filter(|message| message["data"]["varId"] == 6)
        .collect();
    let properties = &about_list.first().expect("the list is sent")["data"]["properties"];
    assert_eq!(
        properties["fallbackNamespace"], "list-item",
        "it comes first: {said:?}"
    );
    let last = &about_list.last().expect("the list is sent")["data"];
    assert!(
        last["value"]["obj"].is_u64() && last["properties"]["type"] == "lua.ViewList",
        "{said:?}"
    );
    assert!(
        page.viewdefs.contains("lua.ViewList.list-item"),
        "{:?}",
        page.viewdefs
    );

    let said = page.say(&[create(7, 6, json!({"path": "items", "elementId": "ui-10"}))]);
    let items = said
        .last()
        .and_then(|message| message["data"]["value"].as_array())
        .expect("the items")
        .clone();
    assert_eq!(items.len(), 3);
    let said = page.say(&[
        create(
            8,
            7,
            json!({"path": "0", "elementId": "ui-11", "fallbackNamespace": "list-item"}),
        ),
        create(9, 7, json!({"path": "1", "elementId": "ui-12"})),
        create(10, 7, json!({"path": "2", "elementId": "ui-13"})),
    ]);
    for (item, id) in items.iter().zip(8..) {
        let shown = json!({"type": "update", "data": {
            "varId": id, "value": item, "properties": {"type": "lua.ViewListItem"}}});
        assert!(said.contains(&shown), "{shown} in {said:?}");
    }
    let said = page.say(&[create(
        11,
        9,
        json!({"path": "item", "elementId": "ui-14", "fallbackNamespace": "list-item"}),
    )]);
    let row = &said.last().expect("the row is sent")["data"];
    assert!(
        row["varId"] == 11 && row["value"]["obj"].is_u64() && row["properties"]["type"] == "Row",
        "{said:?}"
    );
    assert!(
        page.viewdefs.contains("Row.list-item"),
        "{:?}",
        page.viewdefs
    );
    let said = page.say(&[
        create(12, 11, json!({"path": "name", "access": "r"})),
        create(13, 11, json!({"path": "count", "access": "r"})),
    ]);
    assert_eq!(said, [write(12, json!("row 2")), write(13, json!(0))]);
    items
}

#[test]
fn a_timer_sends_its_ticks_unasked() {
    let server = serve("ticks");
    let (mut page, _) = Page::open(&server, &browse(&server));
    let said = page.say(&[create(2, 1, json!({"path": "count", "access": "r"}))]);
    let mut count = said
        .last()
        .and_then(|message| message["data"]["value"].as_u64())
        .expect("a count");
    for _ in 0..3 {
        // Where the server had to wait for a processor, two ticks may come in one frame.
        let frame = page.frame();
        let told = frame[0]["data"]["value"].as_u64().expect("a count");
        assert_eq!(frame, [write(2, json!(told))]);
        assert!(told > count, "{told} after {count}");
        count = told;
    }
}
