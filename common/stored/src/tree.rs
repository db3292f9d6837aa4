//! The body of a record as a tree of values, without its type: what steps from an older version work on.

use rmpv::Value;

/// A value with everything below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree(pub Value);

impl Tree {
    /// Reads the body of a record.
    pub(crate) fn read(mut body: &[u8]) -> Result<Self, String> {
        let value = rmpv::decode::read_value(&mut body).map_err(|e| e.to_string())?;
        if body.is_empty() { Ok(Self(value)) } else { Err(format!("{} bytes follow it", body.len())) }
    }

    /// The same as the body of a record.
    pub(crate) fn write(&self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        rmpv::encode::write_value(&mut body, &self.0).map_err(|e| e.to_string())?;
        Ok(body)
    }

    /// The value of a field, to be changed.
    ///
    /// # Errors
    /// This is no struct, or has no such field.
    pub fn field(&mut self, name: &str) -> Result<&mut Value, String> {
        let Value::Map(fields) = &mut self.0 else { return Err(format!("no struct where {name} is looked for")) };
        let found = fields.iter_mut().find(|(key, _)| key.as_str() == Some(name));
        found.map(|(_, value)| value).ok_or_else(|| format!("it has no field {name}"))
    }
}

/// Gives a field another name.
///
/// # Errors
/// This is no struct, or has no such field.
pub fn rename_field(tree: &mut Tree, from: &str, to: &str) -> Result<(), String> {
    let Value::Map(fields) = &mut tree.0 else { return Err(format!("no struct where {from} is looked for")) };
    let found = fields.iter_mut().find(|(key, _)| key.as_str() == Some(from));
    found.map(|(key, _)| *key = to.into()).ok_or_else(|| format!("it has no field {from}"))
}

/// Takes a field out of a struct.
///
/// # Errors
/// This is no struct, or has no such field.
pub fn take_field(of: &mut Value, name: &str) -> Result<Value, String> {
    let Value::Map(fields) = of else { return Err(format!("no struct where {name} is looked for")) };
    let at = fields.iter().position(|(key, _)| key.as_str() == Some(name));
    at.map(|at| fields.swap_remove(at).1).ok_or_else(|| format!("it has no field {name}"))
}

/// Puts a field into a struct.
///
/// # Errors
/// This is no struct.
pub fn put_field(of: &mut Value, name: &str, value: Value) -> Result<(), String> {
    let Value::Map(fields) = of else { return Err(format!("no struct where {name} is put")) };
    fields.push((name.into(), value));
    Ok(())
}
