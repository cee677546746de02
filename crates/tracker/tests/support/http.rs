//! HTTP in a few lines.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::PATIENCE;

/// Sends a request with these lines in its head, and gives the status and the body.
pub async fn request(address: &str, method: &str, path: &str, lines: &str) -> (u16, String) {
    exchange(TcpStream::connect(address).await.unwrap(), method, path, lines).await.unwrap()
}

/// A GET from one who believes this authority and no other; an error if there is no TLS with it.
pub async fn get_trusting(
    address: &str,
    name: &str,
    authority: CertificateDer<'static>,
    path: &str,
) -> io::Result<(u16, String)> {
    let mut roots = RootCertStore::empty();
    roots.add(authority).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let socket = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
    exchange(socket, "GET", path, "").await
}

async fn exchange(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    lines: &str,
) -> io::Result<(u16, String)> {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: tracker\r\nconnection: close\r\n{lines}\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut answer)).await??;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Ok((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}

/// Says where `value` is not what an OpenAPI document says in `schema`: as much of JSON Schema as the documents here have. Fields that are
/// not described are wrong as well.
pub fn differs(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.strip_prefix('#').unwrap());
        return differs(document, target.unwrap_or_else(|| panic!("{name} is not in the document")), value);
    }
    if schema["allOf"].is_array() {
        return differs(document, &merged(document, schema), value);
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    let is = |kind: &Value| match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("null") => value.is_null(),
        _ => panic!("a schema of no known type: {schema}"),
    };
    if !kinds.iter().any(is) {
        return Some(format!("{value} is not {kinds:?}"));
    }
    let within = |field: &str, schema: &Value, value: &Value| {
        differs(document, schema, value).map(|why| format!("{field}: {why}"))
    };
    match value {
        Value::Object(fields) => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let missing = required.iter().find(|name| !fields.contains_key(name.as_str().unwrap()));
            missing.map(|name| format!("{name} is missing")).or_else(|| {
                fields.iter().find_map(|(name, value)| match schema["properties"].get(name) {
                    Some(schema) => within(name, schema, value),
                    None => Some(format!("{name} is not described")),
                })
            })
        }
        Value::Array(items) => items.iter().find_map(|item| within("[]", &schema["items"], item)),
        _ => None,
    }
}

/// Several schemas that must all hold, as one.
fn merged(document: &Value, schema: &Value) -> Value {
    let mut all = serde_json::json!({ "type": "object", "properties": {}, "required": [] });
    for part in schema["allOf"].as_array().unwrap() {
        let part = part["$ref"].as_str().map_or(part, |name| document.pointer(&name[1..]).unwrap());
        for (name, property) in part["properties"].as_object().into_iter().flatten() {
            all["properties"][name] = property.clone();
        }
        all["required"]
            .as_array_mut()
            .unwrap()
            .extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    all
}
