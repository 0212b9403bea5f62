"""Who is rendered: identities, their faces, hair, clothes and paint."""
