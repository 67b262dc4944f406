use super::*;

fn token_of(line: &Line) -> &str {
    line.account.as_ref().unwrap().refresh_token.expose()
}

fn shape(lines: &[Line]) -> Vec<(usize, Option<[&str; 4]>)> {
    let fields = |new: &NewAccount| -> [String; 4] {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        [new.refresh_token.expose().to_owned(), text(&new.email), text(&new.biz_id), text(&new.memo)]
    };
    let leaked = |new: &NewAccount| fields(new).map(|field| &*field.leak());
    lines.iter().map(|line| (line.number, line.account.as_ref().ok().map(leaked))).collect()
}

#[test]
fn a_line_of_text_is_a_token_with_whatever_goes_with_it() {
    let text = "rt_1\r\n\n  rt=rt_2  \nREFRESH_TOKEN = rt_3\nann@example.org----rt_4\nbob@example.org----rt=rt_5\n\
                rt_6,cid@example.org,team-a,a memo, with commas\n\"rt_7\",,\"team \"\"b\"\"\",\"x, y\"\nrt_8----rt_9\n\"rt_10\"\n\
                rt=rt_11,,,\n1//0g----x";
    assert_eq!(
        shape(&text::read(text).unwrap()),
        [
            (1, Some(["rt_1", "", "", ""])),
            (3, Some(["rt_2", "", "", ""])),
            (4, Some(["rt_3", "", "", ""])),
            (5, Some(["rt_4", "ann@example.org", "", ""])),
            (6, Some(["rt_5", "bob@example.org", "", ""])),
            (7, Some(["rt_6", "cid@example.org", "team-a", "a memo, with commas"])),
            (8, Some(["rt_7", "", "team \"b\"", "x, y"])),
            (9, Some(["rt_8----rt_9", "", "", ""])),
            (10, Some(["rt_10", "", "", ""])),
            (11, Some(["rt_11", "", "", ""])),
            (12, Some(["1//0g----x", "", "", ""])),
        ]
    );
}

#[test]
fn a_table_is_read_by_its_header_whatever_the_order_and_the_separator() {
    for text in [
        "email,RT,biz_id,color,memo\r\nann@example.org,rt_1,a,red,\"two\r\nlines\"\r\n,,,,\r\n,rt_2\r\n",
        "email;Refresh_Token;biz_id;memo\nann@example.org;rt_1;a;\"two\r\nlines\"\n\n;rt_2;;\n",
    ] {
        let lines = table::read(text).unwrap();
        assert_eq!(
            shape(&lines),
            [(2, Some(["rt_1", "ann@example.org", "a", "two\r\nlines"])), (5, Some(["rt_2", "", "", ""]))]
        );
    }
    for bad in ["", "rt_1\nrt_2", "email,biz_id\nx,y"] {
        assert_eq!(table::read(bad).unwrap_err().status(), 422, "{bad}");
    }
    assert!(table::read("rt,enabled\nrt_1,perhaps").unwrap()[0].account.is_err());
    assert_eq!(token_of(&table::read("rt,email\n'-rt_1,x").unwrap()[0]), "-rt_1", "as it was exported");
}

#[test]
fn a_list_holds_tokens_or_objects_and_other_members_are_left_out() {
    let text = r#"["rt_1", {"rt": "rt=rt_2", "email": "", "id": 9, "tag": "t"}, {"refresh_token": "rt_3", "biz_id": 5}, 7, null, {}]"#;
    let lines = list::read(text).unwrap();
    assert_eq!((token_of(&lines[0]), token_of(&lines[1])), ("rt_1", "rt_2"));
    assert_eq!(lines[1].account.as_ref().unwrap().tag.as_deref(), Some("t"));
    assert!(lines[2].account.is_err() && lines[3].account.is_err() && lines[4].account.is_err());
    assert_eq!(token_of(&lines[5]), "", "refused as one that is missing");
    for bad in ["{}", "", "[", "\"x\"", "7"] {
        assert_eq!(list::read(bad).unwrap_err().status(), 422, "{bad}");
    }
}

#[test]
fn ten_thousand_lines_are_taken_and_one_more_is_not() {
    let text = |lines: usize| (0..lines).map(|nth| format!("rt_{nth}\n\n")).collect::<String>();
    assert_eq!(text::read(&text(MOST_LINES)).unwrap().len(), MOST_LINES);
    assert_eq!(text::read(&text(MOST_LINES + 1)).unwrap_err().status(), 422);
    assert_eq!(table::read(&format!("rt\n{}", text(MOST_LINES))).unwrap().len(), MOST_LINES);
    assert_eq!(table::read(&format!("rt\n{}", text(MOST_LINES + 1))).unwrap_err().status(), 422);
    let list = |lines: usize| format!("[{}\"x\"]", "\"x\",".repeat(lines - 1));
    assert_eq!(list::read(&list(MOST_LINES)).unwrap().len(), MOST_LINES);
    assert_eq!(list::read(&list(3 * MOST_LINES)).unwrap_err().status(), 422);
}

#[test]
fn a_line_of_more_than_16_kib_is_refused_alone() {
    let long = "x".repeat(LONGEST_LINE + 1);
    let whole = "y".repeat(LONGEST_LINE);
    let lines = text::read(&format!("{long}\n{whole}\nrt_3")).unwrap();
    assert_eq!(lines.iter().map(|line| line.account.is_ok()).collect::<Vec<_>>(), [false, true, true]);
    let lines = table::read(&format!("rt\n{long}\nrt_3")).unwrap();
    assert_eq!(lines.iter().map(|line| line.account.is_ok()).collect::<Vec<_>>(), [false, true]);
    let lines = list::read(&format!("[\"{long}\", \"rt_3\"]")).unwrap();
    assert_eq!(lines.iter().map(|line| line.account.is_ok()).collect::<Vec<_>>(), [false, true]);
}
