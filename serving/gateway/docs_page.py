"""The page at `/docs`: Swagger UI, served from the package, so that no other host is asked."""

from pathlib import Path

from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]  # it has no types

FILES = {
    f"/docs/{name}": (Path(str(swagger_ui_path)) / name, content_type)
    for name, content_type in [
        ("swagger-ui.css", "text/css"),
        ("swagger-ui-bundle.js", "text/javascript"),
        ("favicon-32x32.png", "image/png"),
    ]
}

PAGE = b"""<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>Iris ML API</title>
  <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
  <link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
  <div id="page"></div>
  <script src="/docs/swagger-ui-bundle.js"></script>
  <script>SwaggerUIBundle({url: "/openapi.json", dom_id: "#page"});</script>
</body>
</html>
"""
