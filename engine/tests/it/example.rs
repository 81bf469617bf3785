//! The example of the documentation does what it says, twice: the second time on what the first one left.

#[expect(dead_code, reason = "`main` is for those who run it as an example")]
#[path = "../../examples/embed.rs"]
mod embed;

#[test]
fn the_example_answers_what_it_stored() {
    let dir = tempfile::tempdir().unwrap();
    let expected = r#"{__name__="room_celsius", room="kitchen"} [(0, 20.0), (15000, 20.25), (30000, 20.5), (45000, 20.75), (60000, 21.0)]"#;
    assert_eq!(embed::run(dir.path()).unwrap(), expected);
    assert_eq!(embed::run(dir.path()).unwrap(), expected);
}
