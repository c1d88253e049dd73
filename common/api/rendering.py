from rest_framework.renderers import JSONRenderer as Renderer
