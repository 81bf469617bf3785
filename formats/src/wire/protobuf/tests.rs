//! Tests of the cursor and of the functions that write fields.

use proptest::prelude::*;

use super::*;

fn fields(bytes: &[u8]) -> Result<Vec<u32>, crate::DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut numbers = Vec::new();
    while let Some(field) = reader.field()? {
        numbers.push(field.number);
    }
    Ok(numbers)
}

#[test]
fn numbers_of_known_and_unknown_fields_are_read() {
    let mut buf = Vec::new();
    put_unsigned(&mut buf, 1, 300);
    put_double(&mut buf, 2, 1.5);
    put_bytes(&mut buf, 3, b"abc");
    buf.extend_from_slice(&[0x25, 1, 2, 3, 4]);
    put_signed(&mut buf, 1 << 28, -1);
    assert_eq!(fields(&buf), Ok(vec![1, 2, 3, 4, 1 << 28]));
}

#[test]
fn what_the_wire_format_forbids_is_an_error_with_its_place() {
    let cases: [(&[u8], &str, usize); 9] = [
        (&[0x08, 0x01, 0x0b], "wire type", 2),
        (&[0x0c], "wire type", 0),
        (&[0x0e], "wire type", 0),
        (&[0x00, 0x01], "field number", 0),
        (&[0x80, 0x80, 0x80, 0x80, 0x10, 0x00], "field number", 0),
        (&[0x08], "varint field", 1),
        (&[0x0a, 0x05, 0x01], "field length", 1),
        (&[0x09, 0, 0, 0], "64-bit field", 1),
        (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], "varint field", 1),
    ];
    for (bytes, what, offset) in cases {
        assert_eq!(fields(bytes), Err(crate::DecodeError::new(what, offset)), "{bytes:x?}");
    }
}

#[test]
fn a_length_near_the_largest_number_does_not_overflow() {
    let bytes = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(fields(&bytes), Err(crate::DecodeError::new("field length", 1)));
}

#[test]
fn offsets_inside_a_message_count_from_the_start_of_the_input() {
    let mut buf = Vec::new();
    put_message(&mut buf, 1, |buf| put_message(buf, 2, |buf| buf.extend_from_slice(&[0x08])));
    let outer = Reader::new(&buf).field().unwrap().unwrap().message("outer").unwrap();
    let mut inner = { outer }.field().unwrap().unwrap().message("inner").unwrap();
    assert_eq!(inner.field().unwrap_err().offset, buf.len());
}

#[test]
fn a_long_message_has_its_length_in_front() {
    for len in [0_usize, 1, 127, 128, 20_000] {
        let mut buf = vec![7];
        put_message(&mut buf, 5, |buf| buf.resize(buf.len() + len, 9));
        let field = Reader::new(&buf[1..]).field().unwrap().unwrap();
        assert_eq!(field.number, 5);
        assert_eq!(field.bytes("message"), Ok(&vec![9; len][..]));
    }
}

#[test]
fn zero_is_left_out_but_negative_zero_is_not() {
    let mut buf = Vec::new();
    put_double(&mut buf, 1, 0.0);
    put_signed(&mut buf, 2, 0);
    put_bytes(&mut buf, 3, b"");
    put_bool(&mut buf, 4, false);
    assert!(buf.is_empty());
    put_double(&mut buf, 1, -0.0);
    let field = Reader::new(&buf).field().unwrap().unwrap();
    assert_eq!(field.double("value").unwrap().to_bits(), (-0.0_f64).to_bits());
}

proptest! {
    #![proptest_config(crate::test_config::config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/wire-protobuf.txt")))]

    #[test]
    fn varints_come_back(value: u64) {
        let mut buf = Vec::new();
        put_varint(&mut buf, value);
        let mut reader = Reader::new(&buf);
        prop_assert_eq!(reader.varint("number"), Ok(value));
        prop_assert!(reader.is_empty());
        for len in 0..buf.len() {
            prop_assert!(Reader::new(&buf[..len]).varint("number").is_err());
        }
    }

    #[test]
    fn any_bytes_end_in_fields_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut reader = Reader::new(&bytes);
        loop {
            let before = reader.offset();
            match reader.field() {
                Ok(Some(_)) => prop_assert!(reader.offset() > before),
                Ok(None) => break,
                Err(error) => {
                    prop_assert!(error.offset <= bytes.len());
                    break;
                }
            }
        }
    }
}
