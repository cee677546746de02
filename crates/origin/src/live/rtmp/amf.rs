//! AMF0 (Action Message Format, version 0): how RTMP writes commands.
//!
//! The invariant: a value takes no more memory than a few times its bytes, and reading it no more stack than [`MAX_DEPTH`] calls. So there
//! are no references, by which a few bytes could stand for all memory.

use thiserror::Error;

/// Objects within objects.
const MAX_DEPTH: usize = 8;
/// Values of one message.
const MAX_VALUES: usize = 1024;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Boolean(bool),
    String(String),
    /// Objects, and arrays with names.
    Object(Vec<(String, Value)>),
    Array(Vec<Value>),
    Null,
}

/// Bytes that are no AMF0, or too much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a command that cannot be read")]
pub(super) struct Malformed;

impl Value {
    pub fn text(text: &str) -> Self {
        Self::String(text.to_owned())
    }

    pub fn object<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    pub fn as_number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    pub fn field(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else { return None };
        fields.iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => {
                out.push(0);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::Boolean(yes) => out.extend_from_slice(&[1, u8::from(*yes)]),
            Self::String(text) => {
                out.push(2);
                put_name(out, text);
            }
            Self::Object(fields) => {
                out.push(3);
                for (name, value) in fields {
                    put_name(out, name);
                    value.write(out);
                }
                out.extend_from_slice(&[0, 0, 9]);
            }
            Self::Array(values) => {
                out.push(10);
                out.extend_from_slice(&(values.len() as u32).to_be_bytes());
                values.iter().for_each(|value| value.write(out));
            }
            Self::Null => out.push(5),
        }
    }
}

/// Reads the values that lie in `bytes` one after the other.
pub(super) fn read_all(bytes: &[u8]) -> Result<Vec<Value>, Malformed> {
    let mut reader = Reader { rest: bytes, left: MAX_VALUES };
    let mut values = Vec::new();
    while !reader.rest.is_empty() {
        values.push(reader.value(0)?);
    }
    Ok(values)
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Values that may still come.
    left: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, Malformed> {
        self.left = self.left.checked_sub(1).ok_or(Malformed)?;
        if depth > MAX_DEPTH {
            return Err(Malformed);
        }
        Ok(match self.array::<1>()?[0] {
            0 => Value::Number(f64::from_be_bytes(self.array()?)),
            1 => Value::Boolean(self.array::<1>()?[0] != 0),
            2 => Value::String(self.name()?),
            3 => Value::Object(self.fields(depth)?),
            5 | 6 => Value::Null,
            8 => {
                self.array::<4>()?; // how many there are, which nobody keeps to
                Value::Object(self.fields(depth)?)
            }
            10 => {
                let count = u32::from_be_bytes(self.array()?);
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(self.value(depth + 1)?);
                }
                Value::Array(values)
            }
            11 => {
                let date = f64::from_be_bytes(self.array()?);
                self.array::<2>()?;
                Value::Number(date)
            }
            12 => {
                let len = u32::from_be_bytes(self.array()?);
                Value::String(self.text(usize::try_from(len).map_err(|_| Malformed)?)?)
            }
            _ => return Err(Malformed),
        })
    }

    fn fields(&mut self, depth: usize) -> Result<Vec<(String, Value)>, Malformed> {
        let mut fields = Vec::new();
        // Some encoders leave out the end of the last object.
        while !self.rest.is_empty() {
            let name = self.name()?;
            if name.is_empty() && self.rest.first().is_none_or(|&end| end == 9) {
                self.rest = self.rest.get(1..).unwrap_or_default();
                break;
            }
            fields.push((name, self.value(depth + 1)?));
        }
        Ok(fields)
    }

    fn name(&mut self) -> Result<String, Malformed> {
        let len = u16::from_be_bytes(self.array()?);
        self.text(len.into())
    }

    fn text(&mut self, len: usize) -> Result<String, Malformed> {
        let (text, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*head)
    }
}

/// What we write is short.
fn put_name(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&text.as_bytes()[..usize::from(len)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were_written() {
        let values = [
            Value::text("connect"),
            Value::Number(1.5),
            Value::object([("app", Value::text("live")), ("on", Value::Boolean(true)), ("x", Value::Null)]),
            Value::Array(vec![Value::Number(2.0), Value::text("")]),
        ];
        let mut bytes = Vec::new();
        values.iter().for_each(|value| value.write(&mut bytes));
        assert_eq!(read_all(&bytes).unwrap(), values);
        for cut in 1..bytes.len() {
            let _ = read_all(&bytes[..cut]); // either is right; a panic is not
        }
    }

    #[test]
    fn neither_depth_nor_counts_are_believed() {
        let nested = [10, 0, 0, 0, 1].repeat(10_000);
        assert_eq!(read_all(&nested), Err(Malformed));
        assert_eq!(read_all(&[10, 0xff, 0xff, 0xff, 0xff, 5, 5]), Err(Malformed));
        assert_eq!(read_all(&[5; MAX_VALUES + 1]), Err(Malformed));
        assert_eq!(read_all(&[7, 0, 0]), Err(Malformed), "a reference");
    }
}
