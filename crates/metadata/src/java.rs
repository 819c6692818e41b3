//! One object out of a Java serialization stream, as far as Flink's checkpoint properties need it.
//!
//! The grammar is that of the *Java Object Serialization Specification*, chapter 6. Arrays, proxies, exceptions and
//! externalizable classes are not in the properties and are refused.

use std::rc::Rc;

use crate::bytes::Bytes;
use crate::error::{Error, Result};

const MAGIC_AND_VERSION: i32 = 0xACED_0005_u32.cast_signed();
/// The number of the first thing that a stream can refer back to.
const FIRST_HANDLE: i32 = 0x7E_0000;
/// Objects in objects, and superclasses of classes: the properties have five.
const DEEPEST: u32 = 32;

const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const CLASS: u8 = 0x72;
const OBJECT: u8 = 0x73;
const STRING: u8 = 0x74;
const BLOCK: u8 = 0x77;
const END: u8 = 0x78;
const LONG_BLOCK: u8 = 0x7A;
const ENUM: u8 = 0x7E;

/// The flags of a class: its objects have data behind their fields, and have fields at all.
const HAS_MORE: u8 = 1;
const IS_SERIALIZABLE: u8 = 2;

/// A value in the stream. What nobody asks for is [`Value::Other`], and so is an object that stood earlier: chains of
/// references have no bound.
#[derive(Debug)]
pub(crate) enum Value {
    Object(Box<Object>),
    Constant(Rc<str>),
    Text(Rc<str>),
    Other,
}

/// An object: the name of its class, and its fields with those of its superclasses.
#[derive(Debug)]
pub(crate) struct Object {
    class: Rc<str>,
    fields: Vec<(Rc<str>, Value)>,
}

impl Value {
    /// The value of an object's field.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        let Self::Object(object) = self else { return None };
        let found = object.fields.iter().find(|(field, _)| **field == *name);
        found.map(|(_, value)| value)
    }

    /// The name of an object's class.
    pub(crate) fn class(&self) -> Option<&str> {
        match self {
            Self::Object(object) => Some(&object.class),
            _ => None,
        }
    }

    /// The name of an enum's constant.
    pub(crate) fn constant(&self) -> Option<&str> {
        match self {
            Self::Constant(name) => Some(name),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Class {
    name: Rc<str>,
    flags: u8,
    fields: Vec<Field>,
    parent: Option<Rc<Self>>,
    /// How many superclasses it has.
    depth: u32,
}

#[derive(Debug)]
struct Field {
    kind: u8,
    name: Rc<str>,
}

/// What a stream can refer back to.
#[derive(Debug, Clone)]
enum Handle {
    Class(Rc<Class>),
    Constant(Rc<str>),
    Text(Rc<str>),
    Other,
}

/// Reads the stream's first object.
pub(crate) fn read(bytes: &mut Bytes<'_>) -> Result<Value> {
    let offset = bytes.offset();
    if bytes.i32()? != MAGIC_AND_VERSION {
        return Err(Error::damaged(
            offset,
            "no Java object where the checkpoint's properties should be",
        ));
    }
    let mut reader = Reader {
        bytes,
        handles: Vec::new(),
    };
    reader.value(0)
}

struct Reader<'r, 'a> {
    bytes: &'r mut Bytes<'a>,
    handles: Vec<Handle>,
}

impl Reader<'_, '_> {
    fn value(&mut self, depth: u32) -> Result<Value> {
        let offset = self.bytes.offset();
        bounded(offset, depth)?;
        match self.bytes.u8()? {
            NULL => Ok(Value::Other),
            REFERENCE => match self.referred()? {
                Handle::Class(_) => Err(Error::damaged(offset, "a class where a value should be")),
                Handle::Constant(name) => Ok(Value::Constant(name)),
                Handle::Text(text) => Ok(Value::Text(text)),
                Handle::Other => Ok(Value::Other),
            },
            STRING => {
                let text: Rc<str> = self.bytes.text()?.into();
                self.handles.push(Handle::Text(Rc::clone(&text)));
                Ok(Value::Text(text))
            }
            ENUM => {
                self.class(depth + 1)?;
                let handle = self.reserve();
                let Value::Text(name) = self.value(depth + 1)? else {
                    return Err(Error::damaged(offset, "an enum without a name"));
                };
                self.handles[handle] = Handle::Constant(Rc::clone(&name));
                Ok(Value::Constant(name))
            }
            OBJECT => self.object(offset, depth),
            tag => Err(unknown(offset, tag)),
        }
    }

    fn object(&mut self, offset: u64, depth: u32) -> Result<Value> {
        let Some(class) = self.class(depth + 1)? else {
            return Err(Error::damaged(offset, "an object without a class"));
        };
        self.reserve();
        // The superclass comes first.
        let mut classes = vec![Rc::clone(&class)];
        while let Some(parent) = classes.last().and_then(|class| class.parent.clone()) {
            classes.push(parent);
        }
        let mut fields = Vec::new();
        for class in classes.iter().rev() {
            if class.flags & IS_SERIALIZABLE == 0 {
                return Err(Error::damaged(
                    offset,
                    format!("class {} has a form of its own", class.name),
                ));
            }
            for field in &class.fields {
                fields.push((Rc::clone(&field.name), self.field(field.kind, depth + 1)?));
            }
            if class.flags & HAS_MORE != 0 {
                self.annotation(depth + 1)?;
            }
        }
        let class = Rc::clone(&class.name);
        Ok(Value::Object(Box::new(Object { class, fields })))
    }

    fn field(&mut self, kind: u8, depth: u32) -> Result<Value> {
        let offset = self.bytes.offset();
        let width = match kind {
            b'B' | b'Z' => 1,
            b'C' | b'S' => 2,
            b'F' | b'I' => 4,
            b'D' | b'J' => 8,
            b'L' => return self.value(depth),
            _ => return Err(Error::damaged(offset, format!("a field of the unknown type {kind}"))),
        };
        self.bytes.take("a field", width)?;
        Ok(Value::Other)
    }

    fn class(&mut self, depth: u32) -> Result<Option<Rc<Class>>> {
        let offset = self.bytes.offset();
        bounded(offset, depth)?;
        match self.bytes.u8()? {
            NULL => Ok(None),
            REFERENCE => match self.referred()? {
                Handle::Class(class) => Ok(Some(class)),
                _ => Err(Error::damaged(offset, "a value where a class should be")),
            },
            CLASS => {
                let name = self.bytes.text()?.into();
                // The version of the class.
                self.bytes.i64()?;
                let handle = self.reserve();
                let flags = self.bytes.u8()?;
                let mut fields = Vec::new();
                for _ in 0..self.bytes.u16()? {
                    let kind = self.bytes.u8()?;
                    let name = self.bytes.text()?.into();
                    if matches!(kind, b'L' | b'[') {
                        self.value(depth + 1)?;
                    }
                    fields.push(Field { kind, name });
                }
                self.annotation(depth + 1)?;
                let parent = self.class(depth + 1)?;
                let ancestors = parent.as_ref().map_or(0, |parent| parent.depth + 1);
                bounded(offset, ancestors)?;
                let class = Rc::new(Class {
                    name,
                    flags,
                    fields,
                    parent,
                    depth: ancestors,
                });
                self.handles[handle] = Handle::Class(Rc::clone(&class));
                Ok(Some(class))
            }
            tag => Err(unknown(offset, tag)),
        }
    }

    /// What a class wrote besides its fields.
    fn annotation(&mut self, depth: u32) -> Result<()> {
        loop {
            let offset = self.bytes.offset();
            match self.bytes.peek()? {
                END => return self.bytes.u8().map(drop),
                BLOCK => {
                    self.bytes.u8()?;
                    let length = self.bytes.u8()?;
                    self.bytes.take("a block", u64::from(length))?;
                }
                LONG_BLOCK => {
                    self.bytes.u8()?;
                    self.bytes.block("a block")?;
                }
                NULL | REFERENCE | STRING | ENUM | OBJECT => {
                    self.value(depth)?;
                }
                tag => return Err(unknown(offset, tag)),
            }
        }
    }

    /// A number for something that may be referred to before it is complete.
    fn reserve(&mut self) -> usize {
        self.handles.push(Handle::Other);
        self.handles.len() - 1
    }

    fn referred(&mut self) -> Result<Handle> {
        let offset = self.bytes.offset();
        let number = self.bytes.i32()?;
        let index = number
            .checked_sub(FIRST_HANDLE)
            .and_then(|index| usize::try_from(index).ok());
        let handle = index.and_then(|index| self.handles.get(index));
        handle
            .cloned()
            .ok_or_else(|| Error::damaged(offset, format!("a reference to {number:#x}, which is not there")))
    }
}

fn bounded(offset: u64, depth: u32) -> Result<()> {
    if depth > DEEPEST {
        return Err(Error::damaged(
            offset,
            format!("Java objects nested more than {DEEPEST} deep"),
        ));
    }
    Ok(())
}

fn unknown(offset: u64, tag: u8) -> Error {
    Error::damaged(offset, format!("a Java value of the unknown kind {tag:#04x}"))
}
