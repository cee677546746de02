//! A small tree of XML elements, bounded in depth and number, for MPDs.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

const MAX_DEPTH: usize = 32;
const MAX_ELEMENTS: usize = 1 << 20;

/// An element; namespaces are taken off its name.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: BTreeMap<String, String>,
    pub(crate) children: Vec<Element>,
    pub(crate) text: String,
}

impl Element {
    /// Reads a document and gives its root.
    pub(crate) fn parse(document: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(document);
        let mut open: Vec<Self> = vec![Self::default()];
        let mut count = 0usize;
        loop {
            let event =
                reader.read_event().map_err(|e| format!("at byte {}: {e}", reader.error_position()))?;
            match event {
                Event::Start(start) | Event::Empty(start) if count >= MAX_ELEMENTS => {
                    return Err(format!("more than {MAX_ELEMENTS} elements; stopped at {:?}", start.name()));
                }
                Event::Start(start) => {
                    if open.len() > MAX_DEPTH {
                        return Err(format!("nested deeper than {MAX_DEPTH}"));
                    }
                    count += 1;
                    open.push(Self::start(&start)?);
                }
                Event::Empty(start) => {
                    count += 1;
                    let element = Self::start(&start)?;
                    open.last_mut().ok_or("an element outside the root")?.children.push(element);
                }
                Event::End(_) => {
                    let element = open.pop().ok_or("an end without a start")?;
                    open.last_mut().ok_or("an end without a start")?.children.push(element);
                }
                Event::Text(text) => {
                    open.last_mut().ok_or("text outside the root")?.text.push_str(text.trim());
                }
                Event::GeneralRef(reference) => {
                    let name: &str = &reference;
                    let whole = format!("&{name};");
                    let known = unescape(&whole).map_err(|e| e.to_string())?;
                    open.last_mut().ok_or("text outside the root")?.text.push_str(&known);
                }
                Event::DocType(_) => return Err("a document type is not allowed in an MPD".to_owned()),
                Event::Eof => break,
                _ => {}
            }
        }
        let root = open.pop().filter(|_| open.is_empty()).ok_or("an element does not end")?;
        let mut elements = root.children.into_iter();
        match (elements.next(), elements.next()) {
            (Some(element), None) => Ok(element),
            _ => Err("there must be exactly one root element".to_owned()),
        }
    }

    fn start(start: &BytesStart<'_>) -> Result<Self, String> {
        let mut element = Self { name: start.local_name().as_ref().to_owned(), ..Self::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| e.to_string())?;
            let value = unescape(&attribute.value).map_err(|e| e.to_string())?;
            element.attributes.insert(attribute.key.as_ref().to_owned(), value.into_owned());
        }
        Ok(element)
    }

    pub(crate) fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    pub(crate) fn number(&self, attribute: &str) -> Option<u64> {
        self.get(attribute)?.parse().ok()
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }
}
