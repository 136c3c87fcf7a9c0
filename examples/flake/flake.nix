{
  description = "A service with shells for development, tests and lint";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.05";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      forAllSystems = nixpkgs.lib.genAttrs systems;
    in
    {
      packages = forAllSystems (system:
        let
          pkgs = import nixpkgs { inherit system; };
          python = pkgs.python311.withPackages (ps: with ps; [ fastapi uvicorn ]);
        in
        {
          image = pkgs.dockerTools.buildLayeredImage {
            name = "service";
            tag = "latest";
            contents = [ python pkgs.dockerTools.caCertificates ];
            extraCommands = "mkdir srv && cp ${./app.py} srv/app.py";
            config = {
              Cmd = [ "uvicorn" "app:app" "--host" "0.0.0.0" ];
              WorkingDir = "/srv";
              ExposedPorts."8000/tcp" = { };
              Env = [ "PYTHONUNBUFFERED=1" ];
            };
          };
        });

      devShells = forAllSystems (system:
        let
          pkgs = import nixpkgs { inherit system; };
          python = pkgs.python311.withPackages (ps: with ps; [ fastapi uvicorn ]);
          pythonForTests = pkgs.python311.withPackages (ps: with ps; [
            fastapi uvicorn pytest httpx
          ]);
          hook = ''
            export SERVICE_ROOT="$PWD"
            export SERVICE_CONFIG="$SERVICE_ROOT/config/dev.toml"
            export DATABASE_URL="''${DATABASE_URL:-postgres://localhost/service}"
            export PATH="$PWD/scripts:$PATH"
            alias serve="uvicorn app:app --reload"
          '';
        in
        {
          default = pkgs.mkShell {
            packages = [ python pkgs.just pkgs.ruff ];
            shellHook = hook + ''
              echo "service: just --list"
            '';
          };
          test = pkgs.mkShell {
            packages = [ pythonForTests pkgs.just pkgs.ruff ];
            shellHook = hook + ''
              export SERVICE_CONFIG="$SERVICE_ROOT/config/test.toml"
            '';
          };
          lint = pkgs.mkShell {
            packages = [ pkgs.ruff pkgs.shellcheck pkgs.taplo ];
          };
        });
    };
}
