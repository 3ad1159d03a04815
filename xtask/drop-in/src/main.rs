//! The published Stronghold client on this runtime: a client and a vault, a secret, a derived ed25519 key that signs, a
//! snapshot that is written, and loaded again.

use crypto::signatures::ed25519;
use iota_stronghold::procedures::{
    Curve, Ed25519Sign, Hmac, KeyType, PublicKey, Sha2Hash, Slip10Derive, Slip10DeriveInput, Slip10Generate,
};
use iota_stronghold::{Client, KeyProvider, Location, SnapshotPath, Stronghold};
use std::error::Error;
use zeroize::Zeroizing;

const CLIENT: &str = "client";
const VAULT: &str = "vault";
const SECRET: &[u8] = b"a secret that a snapshot carries";
const MESSAGE: &[u8] = b"a message to sign";

fn main() -> Result<(), Box<dyn Error>> {
    // What makes this a test of the runtime beside it: a name that the published one does not have.
    let before = runtime_of_this_workspace();

    let path = std::env::temp_dir().join(format!("stronghold-drop-in-{}", std::process::id()));
    let snapshot = SnapshotPath::from_path(&path);

    let stronghold = Stronghold::default();
    let client = stronghold.create_client(CLIENT)?;
    client.vault(VAULT).write_secret(location("secret"), Zeroizing::new(SECRET.to_vec()))?;
    client.execute_procedure(Slip10Generate { size_bytes: None, output: location("seed") })?;
    client.execute_procedure(Slip10Derive {
        curve: Curve::Ed25519,
        chain: vec![0x8000_002c, 0x8000_0001],
        input: Slip10DeriveInput::Seed(location("seed")),
        output: location("key"),
    })?;
    let (public, signature) = sign(&client)?;
    let tag = authenticate(&client)?;
    stronghold.commit_with_keyprovider(&snapshot, &key()?)?;
    drop((client, stronghold));

    let reloaded = Stronghold::default();
    let client = reloaded.load_client_from_snapshot(CLIENT, &key()?, &snapshot)?;
    assert_eq!(authenticate(&client)?, tag);
    assert_eq!(sign(&client)?, (public, signature));
    let wrong = KeyProvider::try_from(Zeroizing::new(vec![8; 32]))?;
    assert!(Stronghold::default().load_client_from_snapshot(CLIENT, &wrong, &snapshot).is_err());
    assert!(KeyProvider::try_from(Zeroizing::new(vec![8; 31])).is_err());
    std::fs::remove_file(&path)?;

    println!("client, vault, secret, derived key, signature, snapshot: all as with the published runtime");
    println!("guarded pages in use before {before}, after {}", runtime_of_this_workspace());
    Ok(())
}

fn location(record: &str) -> Location {
    Location::generic(VAULT, record)
}

fn key() -> Result<KeyProvider, iota_stronghold::MemoryError> {
    KeyProvider::try_from(Zeroizing::new(vec![7; 32]))
}

/// Signs the message, and checks the signature with the client's own cryptography library.
fn sign(client: &Client) -> Result<([u8; 32], [u8; 64]), Box<dyn Error>> {
    let public =
        client.execute_procedure(PublicKey { ty: KeyType::Ed25519, private_key: location("key") })?;
    let public: [u8; 32] = public[..].try_into()?;
    let signature =
        client.execute_procedure(Ed25519Sign { msg: MESSAGE.to_vec(), private_key: location("key") })?;
    let verified = ed25519::PublicKey::try_from_bytes(public)?
        .verify(&ed25519::Signature::from_bytes(signature), MESSAGE);
    assert!(verified, "the signature is valid");
    Ok((public, signature))
}

/// Authenticates the message with the secret, which the client never gives out.
fn authenticate(client: &Client) -> Result<Vec<u8>, Box<dyn Error>> {
    let hmac = Hmac { hash_type: Sha2Hash::Sha256, msg: MESSAGE.to_vec(), key: location("secret") };
    Ok(client.execute_procedure(hmac)?)
}

fn runtime_of_this_workspace() -> usize {
    iota_stronghold::engine::runtime::status().pages_in_use
}
