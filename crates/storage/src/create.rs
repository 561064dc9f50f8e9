//! Creation of tables on one machine. In the cloud, the template creates them.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
};

use crate::key::Schema;
use crate::{Table, TableError};

impl Table {
    /// Creates the table if it does not exist. `index` is the name and the key attributes of a
    /// keys-only index.
    pub(crate) async fn create_if_missing(
        &self,
        schema: &Schema,
        index: Option<(&str, [&str; 2])>,
    ) -> Result<(), TableError> {
        if self.exists().await? {
            return Ok(());
        }
        let keys = [schema.partition, schema.sort];
        let mut create = self
            .client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(key_schema(keys)?));
        let indexed = index.iter().flat_map(|(_, names)| *names);
        for name in keys.into_iter().chain(indexed) {
            let attribute = AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build();
            create = create.attribute_definitions(attribute.map_err(TableError::build)?);
        }
        if let Some((name, keys)) = index {
            let keys_only = Projection::builder()
                .projection_type(ProjectionType::KeysOnly)
                .build();
            let index = GlobalSecondaryIndex::builder()
                .index_name(name)
                .set_key_schema(Some(key_schema(keys)?))
                .projection(keys_only)
                .build()
                .map_err(TableError::build)?;
            create = create.global_secondary_indexes(index);
        }
        create.send().await.map_err(TableError::database)?;
        Ok(())
    }

    /// Enables the table's stream if it is not enabled. In the cloud, the template does this.
    pub async fn stream_if_missing(&self) -> Result<(), TableError> {
        let described = self.client.describe_table().table_name(&self.name).send();
        let table = described.await.map_err(TableError::database)?.table;
        if table.is_some_and(|table| table.stream_specification.is_some()) {
            return Ok(());
        }
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages)
            .build()
            .map_err(TableError::build)?;
        let update = self.client.update_table().table_name(&self.name);
        let updated = update.stream_specification(stream).send().await;
        updated.map_err(TableError::database)?;
        Ok(())
    }

    async fn exists(&self) -> Result<bool, TableError> {
        let described = self
            .client
            .describe_table()
            .table_name(&self.name)
            .send()
            .await;
        match described {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(service) if service.is_resource_not_found_exception() => Ok(false),
                _ => Err(TableError::database(error)),
            },
        }
    }
}

fn key_schema(names: [&str; 2]) -> Result<Vec<KeySchemaElement>, TableError> {
    let mut schema = Vec::new();
    for (name, kind) in names.into_iter().zip([KeyType::Hash, KeyType::Range]) {
        let element = KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build();
        schema.push(element.map_err(TableError::build)?);
    }
    Ok(schema)
}
