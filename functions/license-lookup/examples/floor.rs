//! The baseline of the cold-start benchmark: the Lambda runtime and the gateway's event types only,
//! without the SDK.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(
        async |_: LambdaEvent<ApiGatewayV2httpRequest>| {
            let mut response = ApiGatewayV2httpResponse::default();
            response.status_code = 200;
            response.body = Some("{}".into());
            Ok::<_, Error>(response)
        },
    ))
    .await
}
