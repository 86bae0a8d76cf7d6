// SPDX-License-Identifier: Apache-2.0
use std::io;
use std::path::Path;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use crate::error::Error;
use crate::options::Place;

/// A connection to the sidecar, of whatever kind.
pub(crate) trait Link: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Link for T {}

/// Connects to the sidecar.
pub(crate) async fn connect(place: &Place) -> Result<Box<dyn Link>, Error> {
    match place {
        Place::Unix(path) => match UnixStream::connect(path).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(refused(path, &error)),
        },
        #[cfg(feature = "tls")]
        Place::Tls(place) => Ok(Box::new(place.connect().await?)),
    }
}

fn refused(path: &Path, error: &io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => {
            "; there is no such socket: is the path right, and does the sidecar run?"
        }
        io::ErrorKind::PermissionDenied => {
            "; this user may not write to the socket: see --socket-mode and --socket-group"
        }
        io::ErrorKind::ConnectionRefused => "; nobody listens there: does the sidecar run?",
        _ => "",
    };
    let message = format!("no connection to {}: {error}{advice}", path.display());
    Error::unavailable(message).with_errno(error.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_the_system_said_and_of_which_path() {
        let error = refused(Path::new("/run/s.sock"), &io::Error::from_raw_os_error(2));
        assert_eq!(error.errno(), Some(2));
        assert!(error.to_string().contains("/run/s.sock"));
        assert!(error.to_string().contains("is the path right"));
    }
}
