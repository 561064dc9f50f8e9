//! The media types of the CDN's files.

/// The media types of the CDN's files, by the endings of their names.
pub const CONTENT_TYPES: [(&str, &str); 25] = [
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("ico", "image/x-icon"),
    ("woff2", "font/woff2"),
    ("woff", "font/woff"),
    ("ttf", "font/ttf"),
    ("otf", "font/otf"),
    ("wasm", "application/wasm"),
    ("txt", "text/plain; charset=utf-8"),
    ("md", "text/plain; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("xml", "application/xml"),
    ("pdf", "application/pdf"),
    ("zip", "application/zip"),
];

/// The media type of a file of the CDN, by its name; `None` if its ending is not known.
pub fn content_type(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    let mut types = CONTENT_TYPES.iter();
    let found = types.find(|(known, _)| known.eq_ignore_ascii_case(ending));
    found.map(|(_, content_type)| *content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_published_is_recorded() {
        let endings = CONTENT_TYPES.map(|(ending, _)| ending);
        assert_eq!(endings, tegata_common::access::FILE_ENDINGS);
    }

    #[test]
    fn the_case_of_an_ending_does_not_matter() {
        let javascript = Some("text/javascript; charset=utf-8");
        for name in ["plugin.js", "plugin.JS", "lib/a.min.Js", "plugin.MJS"] {
            assert_eq!(content_type(name), javascript, "{name}");
        }
        for name in ["plugin", "plugin.jsx", "js", "a.js/LICENSE", "plugin.js."] {
            assert_eq!(content_type(name), None, "{name}");
        }
    }
}
