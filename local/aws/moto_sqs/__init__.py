"""SQS as AWS delivers messages, under moto's protocol: `control.install()` before moto serves."""
