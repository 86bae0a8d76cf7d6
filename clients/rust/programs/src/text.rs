// SPDX-License-Identifier: Apache-2.0
//! Octets as text.

/// Octets in hexadecimal.
///
/// # Errors
/// Where the text is none.
pub fn octets(hex: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("{hex:?} is not in hexadecimal");
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => {
                let digit = |octet: u8| char::from(octet).to_digit(16).ok_or_else(wrong);
                Ok((digit(*high)? << 4 | digit(*low)?) as u8)
            }
            _ => Err(wrong()),
        })
        .collect()
}

/// Octets as text in hexadecimal.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Octets as text in base64, with padding.
pub fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for part in octets.chunks(3) {
        let of = |at: usize| part.get(at).copied().unwrap_or(0);
        let bits = u32::from_be_bytes([0, of(0), of(1), of(2)]);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            let padding = digit > part.len();
            text.push(if padding {
                '='
            } else {
                char::from(DIGITS[value as usize])
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_octets() {
        assert_eq!(octets("00ffA5"), Ok(vec![0, 0xff, 0xa5]));
        assert_eq!(hex(&[0, 0xff, 0xa5]), "00ffa5");
        assert!(octets("0").is_err());
        assert!(octets("0g").is_err());
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }
}
