//! Messages with their excerpts, word by word; the corpus has the others.

use dpnas_grammar::Net;

#[track_caller]
fn assert_message(text: &str, message: &str) {
    assert_eq!(text.parse::<Net>().unwrap_err().to_string(), message);
}

#[test]
fn a_residual_block_with_other_numbers() {
    assert_message(
        "[C(32,5,1,2,0), SM(10)]",
        "\
line 1, column 7: the last number 0 makes a residual block, but kernel, stride and padding are 5,1,2 and not 3,1,1; \
expected `3,1,1,0`, or 1 as the last number for a convolution
    [C(32,5,1,2,0), SM(10)]
          ^^^^^^^",
    );
}

#[test]
fn a_number_that_is_missing_at_the_end() {
    assert_message(
        "[C(32,",
        "\
line 1, column 7: the text ends here; expected the kernel, as in `C(features,kernel,stride,padding,1)`
    [C(32,
          ^",
    );
}

#[test]
fn only_the_offending_line_is_shown() {
    assert_message(
        "[\r\n  C(32,5,1,2,1),\r\n  P(2,2,1,0),\r\n  SM(10)\r\n]",
        "\
line 3, column 9: the padding of `P` is 1; expected 0, because pooling has no padding
      P(2,2,1,0),
            ^",
    );
}

#[test]
fn a_layer_over_two_lines_is_marked_on_its_first() {
    assert_message(
        "[SM(10), FC(\n  3)]",
        "\
line 1, column 10: layer 2, `FC(3)`, follows `SM`; `SM` is the last layer and occurs once
    [SM(10), FC(
             ^^^",
    );
}

#[test]
fn letters_outside_ascii_keep_the_carets_in_place() {
    assert_message(
        "[FC(3),\u{a0}Größe☃(3)]",
        "\
line 1, column 9: unknown layer `Größe`; expected `C`, `P`, `FC` or `SM`
    [FC(3),\\u{a0}Größe☃(3)]
                 ^^^^^",
    );
}

#[test]
fn control_characters_are_escaped_and_counted_once() {
    assert_message(
        "[\tFC(3)\u{1b}[2J\u{202e}]",
        "\
line 1, column 8: found `\\u{1b}`; expected `,` or `]` after a layer
    [\\tFC(3)\\u{1b}[2J\\u{202e}]
            ^^^^^^",
    );
}

#[test]
fn quotes_and_backslashes_stand_for_themselves() {
    assert_message(
        r#"[FC(3), "\'"]"#,
        r#"line 1, column 9: found `"`; expected a layer: `C`, `P`, `FC` or `SM`
    [FC(3), "\'"]
            ^"#,
    );
}

#[test]
fn a_long_line_is_cut_on_both_sides() {
    let layers = "C(32,5,1,2,1), ".repeat(10);
    assert_message(
        &format!("[{layers}NIN(3), {layers}SM(10)]"),
        "\
line 1, column 152: layer `NIN` of the MetaQNN grammar is not supported; expected `C`, `P`, `FC` or `SM`
    …C(32,5,1,2,1), C(32,5,1,2,1), NIN(3), C(32,5,1,2,1), C(32,5,1,2,1), C(32,5…
                                   ^^^",
    );
}

#[test]
fn a_long_number_is_cut_in_the_message_and_in_the_line() {
    assert_message(
        &format!("[SM({})]", "9".repeat(200)),
        &format!(
            "\
line 1, column 5: the number `{}…` is too large; expected a number of at most 4294967295
    [SM({}…
        {}",
            "9".repeat(32),
            "9".repeat(71),
            "^".repeat(71)
        ),
    );
}

#[test]
fn an_empty_text() {
    assert_message("", "line 1, column 1: the text ends here; expected `[`\n    \n    ^");
}
