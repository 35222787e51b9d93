//! `multipart/form-data`: how clients send a statement whose parameters are too long for a URL.

use super::exception::Exception;

/// The boundary that a `Content-Type` header names, if it is a form.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let mut parts = content_type.split(';');
    if !parts.next()?.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parts
        .filter_map(|part| part.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim_matches('"').to_owned())
}

/// The fields of a form, in order.
pub(super) fn fields(body: &[u8], boundary: &str) -> Result<Vec<(String, String)>, Exception> {
    let broken = || Exception::new(36, "the multipart/form-data body is broken");
    let delimiter = format!("\r\n--{boundary}");
    let first = format!("--{boundary}");
    let mut rest =
        body.strip_prefix(first.as_bytes()).or_else(|| body.strip_prefix(delimiter.as_bytes())).ok_or_else(broken)?;
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        rest = rest.strip_prefix(b"\r\n").ok_or_else(broken)?;
        let head_end = find(rest, b"\r\n\r\n").ok_or_else(broken)?;
        let head = String::from_utf8_lossy(&rest[..head_end]).into_owned();
        rest = &rest[head_end + 4..];
        let value_end = find(rest, delimiter.as_bytes()).ok_or_else(broken)?;
        let value = String::from_utf8_lossy(&rest[..value_end]).into_owned();
        rest = &rest[value_end + delimiter.len()..];
        fields.push((name(&head)?, value));
    }
    Ok(fields)
}

fn name(head: &str) -> Result<String, Exception> {
    let disposition =
        head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:")).unwrap_or_default();
    if disposition.contains("filename=") {
        return Err(Exception::new(
            48,
            "external tables (files in multipart/form-data) are not supported by the embedded engine's front: use a temporary table in a session",
        ));
    }
    let quoted = disposition.split_once("name=\"").map(|(_, rest)| rest);
    quoted
        .and_then(|rest| rest.split_once('"'))
        .map(|(name, _)| name.to_owned())
        .ok_or_else(|| Exception::new(36, "a field of the multipart/form-data body has no name"))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=xyz";

    #[test]
    fn fields_are_read_as_they_were_written() {
        let body = b"--xyz\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {a:String}\r\n\
            --xyz\r\nContent-Disposition: form-data; name=\"param_a\"\r\n\r\nb\r\n\r\n--xy\n\r\n--xyz--\r\n";
        let boundary = boundary(TYPE).unwrap();
        assert_eq!(
            fields(body, &boundary).unwrap(),
            [
                ("query".to_owned(), "SELECT {a:String}".to_owned()),
                ("param_a".to_owned(), "b\r\n\r\n--xy\n".to_owned()),
            ]
        );
    }

    #[test]
    fn a_cut_body_and_files_are_refused() {
        let cut = b"--xyz\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT 1";
        assert_eq!(fields(cut, "xyz").unwrap_err().code, 36);
        let file = b"--xyz\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t\"\r\n\r\n1\r\n--xyz--\r\n";
        assert_eq!(fields(file, "xyz").unwrap_err().code, 48);
    }

    #[test]
    fn other_types_are_no_forms() {
        assert_eq!(boundary("text/plain"), None);
        assert_eq!(boundary("Multipart/Form-Data; charset=x; Boundary=\"a b\"").as_deref(), Some("a b"));
    }
}
