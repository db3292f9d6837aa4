//! The smallest MySQL client: handshake, one query at a time, text rows.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CLIENT_PROTOCOL_41: u32 = 0x200;
const CLIENT_SECURE_CONNECTION: u32 = 0x8000;
const CLIENT_PLUGIN_AUTH: u32 = 0x8_0000;

pub struct MysqlClient {
    stream: TcpStream,
    pub salt: Vec<u8>,
    /// The types of the columns of the newest answer with rows.
    pub types: Vec<ColumnType>,
}

/// Of the protocol's types, those that the scheduler uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    Unsigned,
    Signed,
    Double,
    Text,
}

#[derive(Debug, PartialEq)]
pub enum Reply {
    Ok,
    Error { code: u16, text: String },
    Rows { columns: Vec<String>, rows: Vec<Vec<Option<String>>> },
}

impl MysqlClient {
    /// Connects and logs in; an error packet of the server comes back as the error.
    pub async fn login(address: SocketAddr, user: &str, auth: &[u8]) -> Result<Self, Reply> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (_, hello) = packet(&mut stream).await;
        if hello[0] == 0xff {
            return Err(error(&hello));
        }
        assert_eq!(hello[0], 10, "protocol version");
        let after_version = 1 + hello[1..].iter().position(|b| *b == 0).unwrap() + 1;
        let mut salt = hello[after_version + 4..after_version + 12].to_vec();
        salt.extend_from_slice(&hello[after_version + 31..after_version + 43]);
        let mut body = Vec::new();
        body.extend((CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH).to_le_bytes());
        body.extend((1u32 << 24).to_le_bytes());
        body.push(33);
        body.extend([0; 23]);
        body.extend(user.as_bytes());
        body.push(0);
        body.push(auth.len() as u8);
        body.extend(auth);
        body.extend(b"mysql_native_password\0");
        send(&mut stream, 1, &body).await;
        let (_, answer) = packet(&mut stream).await;
        match answer[0] {
            0 => Ok(Self { stream, salt, types: Vec::new() }),
            0xff => Err(error(&answer)),
            other => panic!("login answered {other:#x}"),
        }
    }

    pub async fn query(&mut self, sql: &str) -> Reply {
        let mut body = vec![3];
        body.extend(sql.as_bytes());
        send(&mut self.stream, 0, &body).await;
        let (mut expected, first) = packet(&mut self.stream).await;
        assert_eq!(expected, 1, "packet sequence");
        match first[0] {
            0 => return Reply::Ok,
            0xff => return error(&first),
            _ => {}
        }
        let mut columns = Vec::new();
        self.types.clear();
        for _ in 0..first[0] {
            let definition = self.next(&mut expected).await;
            columns.push(lenenc_strings(&definition)[4].clone().unwrap());
            self.types.push(column_type(&definition));
        }
        assert_eq!(self.next(&mut expected).await[0], 0xfe, "EOF after the columns");
        let mut rows = Vec::new();
        loop {
            let row = self.next(&mut expected).await;
            if row[0] == 0xfe && row.len() < 9 {
                return Reply::Rows { columns, rows };
            }
            rows.push(lenenc_strings(&row));
        }
    }

    async fn next(&mut self, sequence: &mut u8) -> Vec<u8> {
        let (found, body) = packet(&mut self.stream).await;
        *sequence = sequence.wrapping_add(1);
        assert_eq!(found, *sequence, "packet sequence");
        body
    }
}

/// A column definition ends with the type, two bytes of flags, the decimals and two bytes of nothing.
fn column_type(definition: &[u8]) -> ColumnType {
    const UNSIGNED_FLAG: u16 = 0x20;
    let fixed = &definition[definition.len() - 6..];
    let is_unsigned = u16::from_le_bytes([fixed[1], fixed[2]]) & UNSIGNED_FLAG != 0;
    match (fixed[0], is_unsigned) {
        (8, true) => ColumnType::Unsigned,
        (8, false) => ColumnType::Signed,
        (5, false) => ColumnType::Double,
        (253, false) => ColumnType::Text,
        other => panic!("a column of type {other:?}"),
    }
}

fn error(packet: &[u8]) -> Reply {
    let code = u16::from_le_bytes([packet[1], packet[2]]);
    Reply::Error { code, text: String::from_utf8_lossy(&packet[9..]).into_owned() }
}

async fn packet(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.unwrap();
    let mut body = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
    stream.read_exact(&mut body).await.unwrap();
    (head[3], body)
}

async fn send(stream: &mut TcpStream, sequence: u8, body: &[u8]) {
    let mut out = (body.len() as u32).to_le_bytes()[..3].to_vec();
    out.push(sequence);
    out.extend(body);
    stream.write_all(&out).await.unwrap();
}

/// Length-encoded strings until the packet ends; what follows them in a column definition is ignored.
fn lenenc_strings(packet: &[u8]) -> Vec<Option<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < packet.len() {
        let (len, skip) = match packet[at] {
            0xfb => {
                found.push(None);
                at += 1;
                continue;
            }
            0xfc if at + 2 < packet.len() => (usize::from(u16::from_le_bytes([packet[at + 1], packet[at + 2]])), 3),
            0xfd if at + 3 < packet.len() => {
                (u32::from_le_bytes([packet[at + 1], packet[at + 2], packet[at + 3], 0]) as usize, 4)
            }
            n => (usize::from(n), 1),
        };
        let end = (at + skip + len).min(packet.len());
        found.push(Some(String::from_utf8_lossy(&packet[(at + skip).min(end)..end]).into_owned()));
        at = end;
    }
    found
}
